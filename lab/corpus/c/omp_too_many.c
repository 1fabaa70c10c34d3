/* A solver whose author had twelve cores: the number of threads is in the source. */
#include <stdio.h>
#include <stdlib.h>

enum { CELLS = 24000 };

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int rounds = 21 * (scale ? atof(scale) : 1) + 1;
  static double cells[CELLS];
  double sum = 0;
  for (int round = 0; round < rounds; round++) {
#pragma omp parallel for num_threads(12) schedule(dynamic, 16)
    for (int cell = 0; cell < CELLS; cell++) {
      double value = cells[cell] + cell % 11;
      for (int step = 0; step < 7000; step++) value = value * 0.9999 + 0.5;
      cells[cell] = value;
    }
    sum += cells[round % CELLS];
  }
  printf("%.3f\n", sum);
  return 0;
}
