/* Four threads write a report on the readings of meters to one stream. Each keeps the others off it
   by flockfile until its page is complete, and works out the page's numbers meanwhile. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, READINGS = 5000, MONTHS = 12 };

static FILE *report;
static int districts;

static int by_size(const void *one, const void *other) {
  const unsigned *a = one, *b = other;
  return (*a > *b) - (*a < *b);
}

static void month_line(int district, int month) {
  unsigned readings[READINGS], state = district * 100 + month + 1;
  unsigned long sum = 0;
  for (int n = 0; n < READINGS; n++) {
    state = state * 1664525 + 1013904223;
    readings[n] = (state >> 12) % 9000;
    sum += readings[n];
  }
  qsort(readings, READINGS, sizeof *readings, by_size);
  fprintf(report, "  %2d %8lu %6u %6u\n", month + 1, sum, readings[READINGS / 2],
          readings[READINGS / 10 * 9]);
}

static void *write_pages(void *first) {
  for (int district = *(int *)first; district < districts; district += THREADS) {
    flockfile(report);
    fprintf(report, "District %d: month, sum, median, tenth\n", district);
    for (int month = 0; month < MONTHS; month++) month_line(district, month);
    funlockfile(report);
  }
  return NULL;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  districts = 750 * (scale ? atof(scale) : 1) + THREADS;
  char path[4096];
  snprintf(path, sizeof path, "%s/report.txt", argc > 1 ? argv[1] : ".");
  report = fopen(path, "w");
  if (!report) return 1;
  pthread_t threads[THREADS];
  int first[THREADS];
  for (int n = 0; n < THREADS; n++) {
    first[n] = n;
    pthread_create(&threads[n], NULL, write_pages, &first[n]);
  }
  for (int n = 0; n < THREADS; n++) pthread_join(threads[n], NULL);
  printf("%ld bytes\n", ftell(report));
  return fclose(report) != 0;
}
