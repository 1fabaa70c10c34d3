/* Moves scans out of a spool into a folder for each day, with system() for what mkdir and rename of
   the C library could do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void path_of(char *path, size_t size, const char *place, int scan) {
  snprintf(path, size, "%s/scan-%05d.pdf", place, scan);
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *place = argc > 1 ? argv[1] : ".";
  int scans = 700 * (scale ? atof(scale) : 1) + 2;
  char path[2048], command[8192];
  for (int scan = 0; scan < scans; scan++) {
    path_of(path, sizeof path, place, scan);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (file < 0 || write(file, "%PDF-1.4\n", 9) != 9) return 1;
    close(file);
  }
  int moved = 0;
  for (int scan = 0; scan < scans; scan++) {
    path_of(path, sizeof path, place, scan);
    int day = scan * 31 / scans + 1;
    snprintf(command, sizeof command, "mkdir -p '%s/2024-03-%02d'", place, day);
    if (system(command) != 0) return 1;
    snprintf(command, sizeof command, "mv '%s' '%s/2024-03-%02d/'", path, place, day);
    moved += system(command) == 0;
  }
  printf("%d scans moved\n", moved);
  return 0;
}
