// Writes a picture as PNG and JPEG, damages the files in many ways and reads them: libpng and libjpeg leave by longjmp.
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jpeglib.h"
// After jpeglib.h.
#include "jerror.h"

enum { WIDTH = 40, HEIGHT = 24, ROW = WIDTH * 3, CAPACITY = 1 << 16 };

struct file {
    unsigned char bytes[CAPACITY];
    size_t length, position;
};

static unsigned hash;

static void add(const unsigned char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ bytes[i]) * 16777619;
    }
}

static void paint(unsigned char *row, int y) {
    for (int x = 0; x < WIDTH; x++) {
        row[x * 3] = x * 6;
        row[x * 3 + 1] = y * 10;
        row[x * 3 + 2] = (x ^ y) * 4;
    }
}

// --- PNG ---

static char png_message[200];

static void png_fails(png_structp png, png_const_charp message) {
    snprintf(png_message, sizeof png_message, "%s", message);
    png_longjmp(png, 1);
}

static void png_warns(png_structp png, png_const_charp message) {
    (void)png;
    add((const unsigned char *)message, strlen(message));
}

static void png_append(png_structp png, png_bytep bytes, size_t length) {
    struct file *file = png_get_io_ptr(png);
    if (file->length + length > CAPACITY) png_error(png, "file is full");
    memcpy(file->bytes + file->length, bytes, length);
    file->length += length;
}

static void png_flush_nothing(png_structp png) {
    (void)png;
}

static void png_take(png_structp png, png_bytep bytes, size_t length) {
    struct file *file = png_get_io_ptr(png);
    if (file->length - file->position < length) png_error(png, "file has ended");
    memcpy(bytes, file->bytes + file->position, length);
    file->position += length;
}

static void write_png(struct file *file) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_fails, png_warns);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png))) {
        printf("cannot write: %s\n", png_message);
        exit(1);
    }
    png_set_write_fn(png, file, png_append, png_flush_nothing);
    png_set_IHDR(png, info, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_write_info(png, info);
    for (int y = 0; y < HEIGHT; y++) {
        unsigned char row[ROW];
        paint(row, y);
        png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

// How many rows came, and -1 less than that if an error ended it.
static int read_png(struct file *file) {
    volatile int rows = 0;
    png_bytep volatile row = malloc(1 << 20);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, png_fails, png_warns);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(row);
        add((const unsigned char *)png_message, strlen(png_message));
        return -1 - rows;
    }
    file->position = 0;
    png_set_read_fn(png, file, png_take);
    png_set_user_limits(png, 4096, 4096);
    png_read_info(png, info);
    int height = png_get_image_height(png, info);
    png_size_t length = png_get_rowbytes(png, info);
    for (int y = 0; y < height; y++) {
        png_read_row(png, row, NULL);
        add(row, length);
        rows++;
    }
    png_read_end(png, info);
    png_destroy_read_struct(&png, &info, NULL);
    free(row);
    return rows;
}

// --- JPEG ---

struct jpeg_errors {
    struct jpeg_error_mgr manager;
    jmp_buf leave;
    char message[JMSG_LENGTH_MAX];
};

static void jpeg_fails(j_common_ptr jpeg) {
    struct jpeg_errors *errors = (struct jpeg_errors *)jpeg->err;
    errors->manager.format_message(jpeg, errors->message);
    longjmp(errors->leave, 1);
}

static void jpeg_warns(j_common_ptr jpeg, int level) {
    char message[JMSG_LENGTH_MAX];
    if (level < 0) {
        jpeg->err->format_message(jpeg, message);
        add((const unsigned char *)message, strlen(message));
    }
}

static void write_jpeg(struct file *file) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long length = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &length);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        unsigned char row[ROW];
        JSAMPROW rows[] = {row};
        paint(row, y);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    memcpy(file->bytes, bytes, length);
    file->length = length;
    free(bytes);
}

static int read_jpeg(struct file *file) {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_errors errors;
    volatile int rows = 0;
    JSAMPROW volatile row = malloc(1 << 20);
    jpeg.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = jpeg_fails;
    errors.manager.emit_message = jpeg_warns;
    if (setjmp(errors.leave)) {
        jpeg_destroy_decompress(&jpeg);
        free(row);
        add((const unsigned char *)errors.message, strlen(errors.message));
        return -1 - rows;
    }
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->bytes, file->length);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg.do_fancy_upsampling = FALSE;
    if (jpeg.image_width > 4096 || jpeg.image_height > 4096) ERREXIT1(&jpeg, JERR_IMAGE_TOO_BIG, 4096);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW into[] = {row};
        jpeg_read_scanlines(&jpeg, into, 1);
        add(row, jpeg.output_width * jpeg.output_components);
        rows++;
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(row);
    return rows;
}

// --- damage ---

static void damage(const char *name, const struct file *whole, int (*read)(struct file *)) {
    static struct file file;
    int good = 0, bad = 0, rows = 0;
    hash = 2166136261;
    file = *whole;
    printf("%s: %d rows\n", name, read(&file));
    for (size_t i = 0; i < whole->length; i += 3) {
        file = *whole;
        file.length = i;
        int result = read(&file);
        result < 0 ? bad++ : good++;
        rows += result < 0 ? -1 - result : result;
    }
    printf("%s, cut: %d read, %d left by longjmp, %d rows, hash %08x\n", name, good, bad, rows, hash);
    good = bad = rows = 0;
    for (size_t i = 0; i < whole->length; i += 2) {
        file = *whole;
        file.bytes[i] ^= 1 + i % 255;
        int result = read(&file);
        result < 0 ? bad++ : good++;
        rows += result < 0 ? -1 - result : result;
    }
    printf("%s, changed: %d read, %d left by longjmp, %d rows, hash %08x\n", name, good, bad, rows, hash);
}

int main(void) {
    static struct file png, jpeg;
    write_png(&png);
    damage("PNG", &png, read_png);
    write_jpeg(&jpeg);
    damage("JPEG", &jpeg, read_jpeg);
    printf("last: %s\n", png_message);
    return 0;
}
