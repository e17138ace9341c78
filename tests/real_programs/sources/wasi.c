// What Lua and libjpeg ask of a C library and WASI has not: the answers of a system without processes and names to spare.
#include <stdio.h>

FILE *tmpfile(void) {
    return NULL;
}

char *tmpnam(char *name) {
    (void)name;
    return NULL;
}

int system(const char *command) {
    return command == NULL ? 0 : -1;
}
