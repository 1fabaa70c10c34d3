/* Four workers take lines of an order book and book them, all of it under one mutex. With an
   argument, so many workers compute outside of the mutex and hold it for the booking alone. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS = 256 };

static pthread_mutex_t book = PTHREAD_MUTEX_INITIALIZER;
static double accounts[ACCOUNTS];
static int next_order, orders, narrow;

static double price(int order) {
  double value = order % 97 + 1;
  for (int n = 0; n < 200000; n++) value = value * 0.999 + 1.0 / (1 + (n & 63));
  return value;
}

static void *work(void *unused) {
  for (;;) {
    pthread_mutex_lock(&book);
    int order = next_order++;
    if (order >= orders) break;
    if (narrow) {
      pthread_mutex_unlock(&book);
      double value = price(order);
      pthread_mutex_lock(&book);
      accounts[order % ACCOUNTS] += value;
    } else {
      accounts[order % ACCOUNTS] += price(order);
    }
    pthread_mutex_unlock(&book);
  }
  pthread_mutex_unlock(&book);
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  orders = 9000 * (scale ? atof(scale) : 1) + 4;
  narrow = argc > 1;
  int workers = narrow ? atoi(argv[1]) : 4;
  pthread_t *threads = calloc(workers, sizeof *threads);
  for (int n = 0; n < workers; n++) pthread_create(&threads[n], NULL, work, NULL);
  for (int n = 0; n < workers; n++) pthread_join(threads[n], NULL);
  free(threads);
  double sum = 0;
  for (int n = 0; n < ACCOUNTS; n++) sum += accounts[n];
  printf("%.3f\n", sum);
  return 0;
}
