/* Appends records to a journal and makes each one safe before the next. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  char path[4096];
  snprintf(path, sizeof path, "%s/journal.log", argc > 1 ? argv[1] : ".");
  int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0644);
  if (file < 0) {
    perror(path);
    return 1;
  }
  int records = 20000 * (scale ? atof(scale) : 1) + 5;
  char record[256];
  memset(record, 'r', sizeof record);
  for (int n = 0; n < records; n++) {
    snprintf(record, 32, "%d", n);
    if (write(file, record, sizeof record) != sizeof record || fsync(file) != 0) return 1;
  }
  printf("%d records\n", records);
  return 0;
}
