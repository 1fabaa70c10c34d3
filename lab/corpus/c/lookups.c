/* Looks records up in a file that is in memory long since, 64 KiB for each. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD = 65536 };

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  int file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0 || about.st_size < RECORD) return 1;
  long lookups = 400000 * (scale ? atof(scale) : 1) + 1;
  uint64_t state = 1, sum = 0, records = about.st_size / RECORD;
  static unsigned char record[RECORD];
  for (long n = 0; n < lookups; n++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (pread(file, record, RECORD, (state >> 33) % records * RECORD) != RECORD) return 1;
    sum += record[state >> 50];
  }
  printf("%lu\n", (unsigned long)sum);
  return 0;
}
