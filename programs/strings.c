// What programs do with strings: lines are built, parsed, searched, changed and compared, all by the C library.

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 8000, LINE_BYTES = 160, FIELDS = 5 };

static const char *const methods[] = {"GET", "PUT", "POST", "DELETE"};
static const char *const folders[] = {"/", "/pictures/", "/pictures/of/the/sea/", "/a/rather/long/way/down/to/"};
static const char *const agents[] = {"curl", "a browser that says much about itself (compatible; like all others)"};

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

// What is found in the lines.
struct totals {
    uint32_t bytes, deletions, browsers, pictures, deepest, hash;
};

// A line of a log with fields between tabs.
static void make_line(char line[LINE_BYTES], uint32_t number) {
    char size[16];
    strcpy(line, methods[random_below(4)]);
    strcat(line, "\t");
    strcat(line, folders[random_below(4)]);
    strncat(line, "photograph.jpeg", 5 + random_below(11));
    strcat(line, "\t");
    snprintf(size, sizeof size, "%u", (unsigned)(number * 37 % 100000));
    strcat(line, size);
    strcat(line, "\t");
    strcat(line, agents[random_below(2)]);
    strcat(line, "\tend");
}

static uint32_t hash_upper(uint32_t hash, const char *text) {
    for (; *text; text++) hash = (hash ^ (uint32_t)toupper((unsigned char)*text)) * 16777619u;
    return hash;
}

static uint32_t depth(const char *path) {
    uint32_t slashes = 0;
    for (const char *at = path; (at = strchr(at, '/')); at++) slashes++;
    return slashes;
}

static void take_line(struct totals *totals, char *line) {
    char *fields[FIELDS], *copy = strdup(line);
    int count = 0;
    if (!copy) exit(1);
    for (char *field = strtok(copy, "\t"); field && count < FIELDS; field = strtok(NULL, "\t")) fields[count++] = field;
    if (count != FIELDS || strcmp(fields[4], "end") != 0) {
        printf("a line has lost its end: %s\n", line);
        exit(1);
    }
    totals->bytes += strtoul(fields[2], NULL, 10);
    if (strcmp(fields[0], "DELETE") == 0) totals->deletions++;
    if (strstr(fields[3], "compatible")) totals->browsers++;
    if (strncmp(fields[1], "/pictures/", 10) == 0) totals->pictures++;
    uint32_t slashes = depth(fields[1]);
    if (slashes > totals->deepest) totals->deepest = slashes;
    const char *name = strrchr(fields[1], '/');
    totals->hash = hash_upper(totals->hash, name + 1);
    // As long as the line is, and with its first field last.
    char turned[LINE_BYTES];
    size_t first = strlen(fields[0]), rest = strlen(line) - first;
    memcpy(turned, line + first, rest);
    memcpy(turned + rest, line, first);
    turned[rest + first] = 0;
    if (memcmp(turned + rest, line, first) != 0 || strlen(turned) != strlen(line)) exit(1);
    totals->hash = hash_upper(totals->hash, turned);
    free(copy);
}

int main(void) {
    struct totals totals = {.hash = 2166136261u};
    char line[LINE_BYTES];
    for (uint32_t number = 0; number < LINES; number++) {
        make_line(line, number);
        take_line(&totals, line);
    }
    printf("%d lines, %u bytes, %u deletions, %u by browsers, %u of pictures, %u folders deep\n", LINES,
           (unsigned)totals.bytes, (unsigned)totals.deletions, (unsigned)totals.browsers, (unsigned)totals.pictures,
           (unsigned)totals.deepest);
    printf("checksum %08x\n", (unsigned)totals.hash);
    return 0;
}
