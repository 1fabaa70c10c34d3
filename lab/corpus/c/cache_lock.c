/* Six threads that answer from a cache with an eviction list. A lookup walks the list under the
   cache's lock; what a thread does with the answer, outside of it, is little. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = 20000 };

struct entry {
  uint32_t key, value;
  struct entry *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[ENTRIES], *newest;
static int lookups;

static uint32_t look_up(uint32_t key) {
  pthread_mutex_lock(&lock);
  struct entry **at = &newest;
  while ((*at)->key != key) at = &(*at)->next;
  struct entry *found = *at;
  *at = found->next;
  found->next = newest;
  newest = found;
  uint32_t value = found->value;
  pthread_mutex_unlock(&lock);
  return value;
}

static void *serve(void *seed) {
  uint32_t state = (uintptr_t)seed, sum = 0;
  for (int n = 0; n < lookups; n++) {
    state = state * 1664525 + 1013904223;
    uint32_t value = look_up((state >> 8) % ENTRIES);
    for (int digit = 0; digit < 200; digit++) sum = sum * 31 + (value >> (digit & 15));
  }
  return (void *)(uintptr_t)sum;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  lookups = 15000 * (scale ? atof(scale) : 1) + 10;
  for (int n = 0; n < ENTRIES; n++) {
    entries[n] = (struct entry){n, n * 2654435761u, newest};
    newest = &entries[n];
  }
  pthread_t threads[6];
  for (uintptr_t n = 0; n < 6; n++) pthread_create(&threads[n], NULL, serve, (void *)(n + 1));
  uintptr_t sum = 0;
  for (int n = 0; n < 6; n++) {
    void *part;
    pthread_join(threads[n], &part);
    sum ^= (uintptr_t)part;
  }
  printf("%08x\n", (unsigned)sum);
  return 0;
}
