/* Sorts batches of names on two threads: one takes those up to "m", one the others. Of these names
   most begin early in the alphabet, and each batch waits for both. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 200000

struct part {
  char (*names)[8];
  size_t count;
};

static char early[NAMES][8], late[NAMES][8];

static int compare(const void *a, const void *b) { return memcmp(a, b, 8); }

static void *sort(void *argument) {
  struct part *part = argument;
  qsort(part->names, part->count, sizeof *part->names, compare);
  return NULL;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int batches = 110 * (scale ? atof(scale) : 1) + 1;
  unsigned state = 1;
  long sorted = 0;
  for (int batch = 0; batch < batches; batch++) {
    struct part parts[2] = {{early, 0}, {late, 0}};
    for (int n = 0; n < NAMES; n++) {
      char name[8];
      for (int letter = 0; letter < 8; letter++) {
        state = state * 1664525 + 1013904223;
        name[letter] = 'a' + (state >> 8) % 26;
      }
      /* Half of them are moved to the first half of the alphabet. */
      if (state >> 31) name[0] = 'a' + (name[0] - 'a') % 13;
      struct part *part = &parts[name[0] > 'm'];
      memcpy(part->names[part->count++], name, 8);
    }
    pthread_t threads[2];
    for (int n = 0; n < 2; n++) pthread_create(&threads[n], NULL, sort, &parts[n]);
    for (int n = 0; n < 2; n++) {
      pthread_join(threads[n], NULL);
      sorted += parts[n].count;
    }
  }
  printf("%ld names\n", sorted);
  return 0;
}
