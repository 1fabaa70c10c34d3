/* Distances between all pairs of points, in a parallel loop: the default schedule gives each thread
   the same number of rows, but the first rows are the long ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 12000 };

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int rounds = 18 * (scale ? atof(scale) : 1) + 1;
  static double x[POINTS], y[POINTS];
  for (int n = 0; n < POINTS; n++) {
    x[n] = n % 53 * 1.25;
    y[n] = n % 71 * 0.75;
  }
  double total = 0;
  for (int round = 0; round < rounds; round++) {
#pragma omp parallel for schedule(static) reduction(+ : total)
    for (int one = 0; one < POINTS; one++)
      for (int other = one + 1; other < POINTS; other++) {
        double dx = x[one] - x[other], dy = y[one] - y[other];
        total += sqrt(dx * dx + dy * dy);
      }
    x[round % POINTS] += 0.5;
  }
  printf("%.1f\n", total);
  return 0;
}
