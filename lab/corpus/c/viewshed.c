/* How much of the land is seen from each place of a map. As many threads as there are cores take
   one row after another. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 400, DIRECTIONS = 48, REACH = 60 };

static float height[SIZE][SIZE];
static atomic_int next_row;
static atomic_long seen;
static int rows;

static int seen_from(int row, int column) {
  int count = 0;
  for (int direction = 0; direction < DIRECTIONS; direction++) {
    float down = sinf(direction * 6.2831853f / DIRECTIONS);
    float right = cosf(direction * 6.2831853f / DIRECTIONS), steepest = -1e9f;
    for (int far = 1; far < REACH; far++) {
      int r = row + (int)(far * down), c = column + (int)(far * right);
      if (r < 0 || r >= SIZE || c < 0 || c >= SIZE) break;
      float slope = (height[r][c] - height[row][column] - 1.7f) / far;
      if (slope > steepest) steepest = slope, count++;
    }
  }
  return count;
}

static void *work(void *unused) {
  int row;
  while ((row = atomic_fetch_add(&next_row, 1)) < rows) {
    long count = 0;
    for (int column = 0; column < SIZE; column++) count += seen_from(row % SIZE, column);
    atomic_fetch_add(&seen, count);
  }
  return unused;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  rows = 1100 * (scale ? atof(scale) : 1) + 2;
  for (int row = 0; row < SIZE; row++)
    for (int column = 0; column < SIZE; column++)
      height[row][column] = 40 * sinf(row * 0.05f) * cosf(column * 0.07f) + (row * column) % 7;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  pthread_t threads[cores];
  for (long n = 0; n < cores; n++) pthread_create(&threads[n], NULL, work, NULL);
  for (long n = 0; n < cores; n++) pthread_join(threads[n], NULL);
  printf("%ld\n", atomic_load(&seen));
  return 0;
}
