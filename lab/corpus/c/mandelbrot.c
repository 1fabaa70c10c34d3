/* Draws a fractal, row by row. With an argument, so many threads take rows in turn. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int next_row;
static atomic_long inside;
static int rows;

static void *draw(void *unused) {
  for (int row; (row = next_row++) < rows;) {
    long count = 0;
    for (int column = 0; column < 600; column++) {
      double cr = column / 300.0 - 1.5, ci = row * 2.4 / rows - 1.2, r = 0, i = 0;
      int steps = 0;
      while (steps < 1500 && r * r + i * i < 4) {
        double next = r * r - i * i + cr;
        i = 2 * r * i + ci;
        r = next;
        steps++;
      }
      count += steps == 1500;
    }
    inside += count;
  }
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  rows = 3900 * (scale ? atof(scale) : 1) + 2;
  int workers = argc > 1 ? atoi(argv[1]) : 1;
  if (workers <= 1) {
    draw(NULL);
  } else {
    pthread_t *threads = calloc(workers, sizeof *threads);
    for (int n = 0; n < workers; n++) pthread_create(&threads[n], NULL, draw, NULL);
    for (int n = 0; n < workers; n++) pthread_join(threads[n], NULL);
    free(threads);
  }
  printf("%ld points inside\n", inside);
  return 0;
}
