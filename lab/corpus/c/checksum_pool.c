/* Checks the blocks of a volume on a fixed number of threads (the first argument, else 16). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 1 << 16 };

static atomic_int next_block;
static atomic_uint sum;
static int blocks;

static void *check(void *unused) {
  static _Thread_local uint8_t data[BLOCK];
  for (int block; (block = next_block++) < blocks;) {
    for (int n = 0; n < BLOCK; n++) data[n] = n * block;
    uint32_t a = 1, b = 0;
    for (int pass = 0; pass < 16; pass++)
      for (int n = 0; n < BLOCK; n++) {
        a = (a + data[n]) % 65521;
        b = (b + a) % 65521;
      }
    sum ^= b << 16 | a;
  }
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  blocks = 2100 * (scale ? atof(scale) : 1) + 4;
  int workers = argc > 1 ? atoi(argv[1]) : 16;
  pthread_t *threads = calloc(workers, sizeof *threads);
  for (int n = 0; n < workers; n++) pthread_create(&threads[n], NULL, check, NULL);
  for (int n = 0; n < workers; n++) pthread_join(threads[n], NULL);
  free(threads);
  printf("%08x\n", sum);
  return 0;
}
