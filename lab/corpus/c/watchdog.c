/* Looks at the load four times a second and counts when it was high. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int looks = 14 * (scale ? atof(scale) : 1) + 1, high = 0;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (int n = 0; n < looks; n++) {
    double load[1];
    if (getloadavg(load, 1) == 1 && load[0] > 64) high++;
    due.tv_nsec += 250000000;
    if (due.tv_nsec >= 1000000000) {
      due.tv_nsec -= 1000000000;
      due.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
  }
  printf("%d looks, high %s\n", looks, high == looks ? "always" : "not always");
  return 0;
}
