/* Five threads price orders; the table of prices has a lock for readers and writers, and all of them
   take it as writers, for they also count what was asked for, and keep it while they work. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 5
#define PRICES 1024

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static double prices[PRICES];
static long asked[PRICES];
static int orders;

static double price(unsigned order) {
  double sum = 0;
  for (unsigned line = 0; line < 30000; line++) {
    unsigned item = (order * 2654435761u + line * 40503u) % PRICES;
    sum += prices[item] / (1 + sqrt(line % 50));
    asked[item]++;
  }
  return sum;
}

static void *work(void *total) {
  for (int order = 0; order < orders; order++) {
    pthread_rwlock_wrlock(&lock);
    *(double *)total += price(order);
    pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  orders = 5000 * (scale ? atof(scale) : 1) + 2;
  for (int n = 0; n < PRICES; n++) prices[n] = n % 97 + 0.99;
  pthread_t threads[THREADS];
  double totals[THREADS] = {0}, all = 0;
  for (int n = 0; n < THREADS; n++) pthread_create(&threads[n], NULL, work, &totals[n]);
  for (int n = 0; n < THREADS; n++) {
    pthread_join(threads[n], NULL);
    all += totals[n];
  }
  printf("%.2f\n", all);
  return 0;
}
