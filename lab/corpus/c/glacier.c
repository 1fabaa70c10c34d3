/* How a glacier flows, in steps, on two processes that have half of the map each. After a step they
   send each other the row at their border. Most of the ice lies in the upper half. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 64, COLUMNS = 256 };

/* Half of the map, with the border row of the other half on either side. */
static double ice[ROWS + 2][COLUMNS];

static double flow(double above, double here, double below) {
  double slope = (above - below) / 2, speed = 0;
  for (int layer = 0; layer < 240; layer++) speed = speed * 0.97 + slope * 0.03;
  return fmax(0.1, here + 0.002 * speed);
}

static void step(void) {
  for (int row = 1; row <= ROWS; row++)
    for (int column = 0; column < COLUMNS; column++)
      if (ice[row][column] > 0)
        ice[row][column] = flow(ice[row - 1][column], ice[row][column], ice[row + 1][column]);
}

static int swap_borders(int other, int lower) {
  double *mine = ice[lower ? 1 : ROWS], *theirs = ice[lower ? 0 : ROWS + 1];
  ssize_t size = sizeof ice[0];
  if (send(other, mine, size, 0) != size) return -1;
  return recv(other, theirs, size, MSG_WAITALL) == size ? 0 : -1;
}

static int half(int lower, int other, int steps) {
  int rows = lower ? ROWS / 4 : ROWS;
  for (int row = 1; row <= rows; row++)
    for (int column = 0; column < COLUMNS; column++)
      ice[row][column] = 200 - row + column % 9;
  for (int n = 0; n < steps; n++) {
    step();
    if (swap_borders(other, lower) != 0) return 1;
  }
  double volume = 0;
  for (int row = 1; row <= ROWS; row++)
    for (int column = 0; column < COLUMNS; column++) volume += ice[row][column];
  printf("%s half: %.1f\n", lower ? "lower" : "upper", volume);
  fflush(stdout);
  return 0;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int steps = 500 * (scale ? atof(scale) : 1) + 2, ends[2], failed = 0, status;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
  for (int lower = 0; lower < 2; lower++)
    if (fork() == 0) {
      close(ends[!lower]);
      _exit(half(lower, ends[lower], steps));
    }
  close(ends[0]);
  close(ends[1]);
  while (wait(&status) > 0) failed |= status;
  return failed != 0;
}
