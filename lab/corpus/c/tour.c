/* Looks for a short tour through cities by annealing. One thread beside it tells how far it is,
   another one saves the tour now and then. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CITIES = 400 };

static double x[CITIES], y[CITIES];
static int tour[CITIES], saved[CITIES];
static long moves, tried, to_save;
static int done;
static char path[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *tell(void *unused) {
  pthread_mutex_lock(&lock);
  while (!done) {
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec++;
    pthread_cond_timedwait(&changed, &lock, &when);
    fprintf(stderr, "%ld %%\n", tried * 100 / moves);
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

static void *save(void *unused) {
  int copy[CITIES];
  pthread_mutex_lock(&lock);
  for (long last = 0;; last = to_save) {
    while (to_save == last && !done) pthread_cond_wait(&changed, &lock);
    if (to_save == last) break;
    memcpy(copy, saved, sizeof copy);
    FILE *file = fopen(path, "w");
    if (!file) break;
    for (int n = 0; n < CITIES; n++) fprintf(file, "%d\n", copy[n]);
    fclose(file);
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

static void publish(long now) {
  pthread_mutex_lock(&lock);
  tried = now;
  memcpy(saved, tour, sizeof saved);
  to_save++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static double way(int from, int to) {
  return hypot(x[tour[from]] - x[tour[to]], y[tour[from]] - y[tour[to]]);
}

/* Turns a part of the tour around, if that is shorter or it is hot enough. */
static void move(unsigned *seed, double heat) {
  int from = 1 + rand_r(seed) % (CITIES - 2), to = 1 + rand_r(seed) % (CITIES - 2);
  if (from > to) {
    int other = from;
    from = to, to = other;
  }
  double longer = way(from - 1, to) + way(from, to + 1) - way(from - 1, from) - way(to, to + 1);
  if (longer > 0 && exp(-longer / heat) * RAND_MAX < rand_r(seed)) return;
  for (; from < to; from++, to--) {
    int city = tour[from];
    tour[from] = tour[to], tour[to] = city;
  }
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  moves = 30000000 * (scale ? atof(scale) : 1) + 10;
  snprintf(path, sizeof path, "%s/tour.txt", argc > 1 ? argv[1] : ".");
  unsigned seed = 5;
  for (int n = 0; n < CITIES; n++) {
    x[n] = rand_r(&seed) % 10000;
    y[n] = rand_r(&seed) % 10000;
    tour[n] = n;
  }
  pthread_t helpers[2];
  pthread_create(&helpers[0], NULL, tell, NULL);
  pthread_create(&helpers[1], NULL, save, NULL);
  for (long n = 0; n < moves; n++) {
    move(&seed, 2000.0 * (moves - n) / moves + 0.1);
    if (n % (moves / 10) == 0) publish(n);
  }
  pthread_mutex_lock(&lock);
  done = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  for (int n = 0; n < 2; n++) pthread_join(helpers[n], NULL);
  double length = 0;
  for (int n = 1; n < CITIES; n++) length += way(n - 1, n);
  printf("%.1f\n", length);
  return 0;
}
