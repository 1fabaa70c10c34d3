/* Sends mails no faster than the provider allows, which is four a second. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  char path[4096];
  snprintf(path, sizeof path, "%s/sent", argc > 1 ? argv[1] : ".");
  FILE *sent = fopen(path, "a");
  if (!sent) return 1;
  int mails = 13 * (scale ? atof(scale) : 1) + 1;
  for (int mail = 1; mail <= mails; mail++) {
    fprintf(sent, "mail %d\n", mail);
    struct timeval pause = {.tv_usec = 250000};
    select(0, NULL, NULL, NULL, &pause);
  }
  fclose(sent);
  return 0;
}
