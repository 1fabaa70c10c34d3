/* A simulation in steps on two threads that meet at a barrier after each; the world's left half has
   almost all of the bodies. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t barrier;
static int steps;
static double energy[2];

static void *half(void *which) {
  int right = which != NULL;
  int bodies = right ? 12 : 100;
  double sum = 0;
  for (int step = 0; step < steps; step++) {
    for (int body = 0; body < bodies; body++) {
      double speed = body + step % 5;
      for (int n = 0; n < 60000; n++) speed = speed * 0.9999 + 0.01;
      sum += speed;
    }
    pthread_barrier_wait(&barrier);
  }
  energy[right] = sum;
  return NULL;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  steps = 280 * (scale ? atof(scale) : 1) + 2;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_t right;
  pthread_create(&right, NULL, half, &barrier);
  half(NULL);
  pthread_join(right, NULL);
  printf("%.3f\n", energy[0] + energy[1]);
  return 0;
}
