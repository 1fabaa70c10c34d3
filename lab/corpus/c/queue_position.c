/* Works off a queue of payments. How far it has come is kept in a mapped file, made safe by msync
   after each payment, lest one is made twice. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct position {
  uint64_t next;
  uint64_t check;
  uint64_t cents;
};

static uint64_t check(const struct position *position) {
  uint64_t sum = 14695981039346656037u;
  sum = (sum ^ position->next) * 1099511628211u;
  return (sum ^ position->cents) * 1099511628211u;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  uint64_t payments = 21000 * (scale ? atof(scale) : 1) + 5;
  char path[4096];
  snprintf(path, sizeof path, "%s/payments.position", argc > 1 ? argv[1] : ".");
  int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
  if (file < 0 || ftruncate(file, 4096) != 0) {
    perror(path);
    return 1;
  }
  struct position *position = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (position == MAP_FAILED) return 1;
  while (position->next < payments) {
    position->cents += position->next * 7919 % 100000;
    position->next++;
    position->check = check(position);
    if (msync(position, 4096, MS_SYNC) != 0) return 1;
  }
  printf("%llu cents\n", (unsigned long long)position->cents);
  return 0;
}
