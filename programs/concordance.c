// Counts the words of texts and keeps a record of where each was found.
//
//   concordance FILE...
//
// Prints the 20 most frequent words, the number of distinct ones and a checksum over the records kept. Every
// occurrence makes one record of 512 bytes, which is copied into a ring: the same memcpy size over and over, as in any
// program that moves fixed-size records. Words go through malloc, realloc and free, memcpy, strlen, strcmp and qsort.
// The output depends on the texts only. Exit code 2 means that the arguments or a file were unusable.

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_BYTES = 512,
    RING_RECORDS = 1024,
    WORD_BYTES = 64, // longer words are cut
    MOST_FREQUENT = 20,
    FAILURE = 2,
};

// Keeps a function out of line, so that it has a place of its own in the profile.
#define PROFILED __attribute__((noinline)) static

struct record {
    _Alignas(64) uint32_t occurrence; // 1 for the first word of the first text
    uint32_t offset;                  // of the word in its text, in bytes
    uint32_t line_number;
    uint32_t word_length;
    char word[WORD_BYTES];
    char line[RECORD_BYTES - 4 * sizeof(uint32_t) - WORD_BYTES]; // the line around the word, cut to fit
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "records are copied whole");

struct word {
    struct word *next; // in the same bucket
    uint32_t hash;
    uint32_t count;
    char *text;
};

// A hash table with chains; the number of buckets is a power of two and at least the number of words.
struct table {
    struct word **buckets;
    uint32_t bucket_count;
    uint32_t word_count;
};

struct text {
    char *bytes;
    size_t length;
};

static struct record ring[RING_RECORDS];
static uint32_t occurrences;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "concordance: %s: %s\n", what, why);
    exit(FAILURE);
}

static void *or_fail(void *allocation) {
    if (!allocation) fail("memory", "the program ran out of it");
    return allocation;
}

static struct text read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path, strerror(errno));
    struct text text = {0};
    size_t capacity = 4096, got;
    text.bytes = or_fail(malloc(capacity));
    while ((got = fread(text.bytes + text.length, 1, capacity - text.length, file)) > 0) {
        text.length += got;
        if (text.length == capacity) {
            capacity *= 2;
            text.bytes = or_fail(realloc(text.bytes, capacity));
        }
    }
    if (ferror(file)) fail(path, strerror(errno));
    fclose(file);
    return text;
}

// FNV-1a.
PROFILED uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++) hash = (hash ^ byte[i]) * 16777619u;
    return hash;
}

static uint32_t hash_start(void) { return 2166136261u; }

PROFILED void grow(struct table *table) {
    uint32_t bucket_count = table->bucket_count ? table->bucket_count * 2 : 64;
    struct word **buckets = or_fail(calloc(bucket_count, sizeof *buckets));
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (struct word *word = table->buckets[i], *next; word; word = next) {
            next = word->next;
            word->next = buckets[word->hash % bucket_count];
            buckets[word->hash % bucket_count] = word;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = bucket_count;
}

static char *duplicate(const char *string) {
    size_t bytes = strlen(string) + 1;
    return memcpy(or_fail(malloc(bytes)), string, bytes);
}

PROFILED void count(struct table *table, const char *text) {
    uint32_t hash = hash_bytes(hash_start(), text, strlen(text));
    if (table->word_count == table->bucket_count) grow(table);
    struct word **bucket = &table->buckets[hash % table->bucket_count];
    for (struct word *word = *bucket; word; word = word->next) {
        if (word->hash == hash && strcmp(word->text, text) == 0) {
            word->count++;
            return;
        }
    }
    struct word *word = or_fail(malloc(sizeof *word));
    *word = (struct word){.next = *bucket, .hash = hash, .count = 1, .text = duplicate(text)};
    *bucket = word;
    table->word_count++;
}

// One call site for every record: always RECORD_BYTES, both sides aligned to 64.
PROFILED void store_record(struct record *slot, const struct record *record) {
    memcpy(slot, record, RECORD_BYTES);
}

struct position {
    uint32_t offset, line_number, line_start, line_length;
};

PROFILED void keep(const struct text *text, const char *word, struct position at) {
    static struct record record;
    memset(&record, 0, sizeof record);
    record.occurrence = ++occurrences;
    record.offset = at.offset;
    record.line_number = at.line_number;
    record.word_length = strlen(word);
    memcpy(record.word, word, record.word_length);
    size_t line_bytes = at.line_length < sizeof record.line ? at.line_length : sizeof record.line;
    memcpy(record.line, text->bytes + at.line_start, line_bytes);
    store_record(&ring[occurrences % RING_RECORDS], &record);
}

// Copies the word at `offset` in lower case to `word`; returns the offset after it. Empty if no word starts there.
PROFILED size_t take_word(const struct text *text, size_t offset, char word[WORD_BYTES]) {
    size_t length = 0;
    for (; offset < text->length && isalpha((unsigned char)text->bytes[offset]); offset++)
        if (length < WORD_BYTES - 1) word[length++] = tolower((unsigned char)text->bytes[offset]);
    word[length] = 0;
    return offset;
}

static size_t line_length(const struct text *text, size_t start) {
    const char *end = memchr(text->bytes + start, '\n', text->length - start);
    return end ? (size_t)(end - text->bytes) - start : text->length - start;
}

static void read_words(struct table *table, const struct text *text) {
    struct position at = {.line_number = 1, .line_length = line_length(text, 0)};
    char word[WORD_BYTES];
    for (size_t offset = 0; offset < text->length;) {
        size_t after = take_word(text, offset, word);
        if (after > offset) {
            at.offset = offset;
            count(table, word);
            keep(text, word, at);
            offset = after;
        } else if (text->bytes[offset++] == '\n') {
            at.line_number++;
            at.line_start = offset;
            at.line_length = line_length(text, offset);
        }
    }
}

static int more_frequent_first(const void *left, const void *right) {
    const struct word *a = *(struct word *const *)left, *b = *(struct word *const *)right;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return strcmp(a->text, b->text);
}

static struct word **sorted_words(const struct table *table) {
    struct word **words = or_fail(malloc((table->word_count + 1) * sizeof *words));
    uint32_t filled = 0;
    for (uint32_t i = 0; i < table->bucket_count; i++)
        for (struct word *word = table->buckets[i]; word; word = word->next) words[filled++] = word;
    qsort(words, filled, sizeof *words, more_frequent_first);
    return words;
}

static void print_report(const struct table *table) {
    struct word **words = sorted_words(table);
    for (uint32_t i = 0; i < MOST_FREQUENT && i < table->word_count; i++)
        printf("%8u  %s\n", (unsigned)words[i]->count, words[i]->text);
    printf("%u words, %u distinct\n", (unsigned)occurrences, (unsigned)table->word_count);
    printf("checksum of the records: %08x\n", (unsigned)hash_bytes(hash_start(), ring, sizeof ring));
    free(words);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: concordance FILE...\n");
        return FAILURE;
    }
    struct table table = {0};
    for (int i = 1; i < argc; i++) {
        struct text text = read_file(argv[i]);
        read_words(&table, &text);
        free(text.bytes);
    }
    print_report(&table);
    return 0;
}
