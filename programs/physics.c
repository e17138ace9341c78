// A cloth of points and springs falls onto a ball: Verlet's integration, with springs that are relaxed again and again.
// Only operations that IEEE 754 rounds exactly are used, so the result is the same everywhere, to the last bit.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 32, STEPS = 120, RELAXATIONS = 6 };

struct vector {
    double x, y, z;
};

struct point {
    struct vector now, before;
};

static const double GRAVITY = -9.81, STEP_S = 1.0 / 60, REST = 1.0 / SIDE, BALL_RADIUS = 0.3;
static struct point cloth[SIDE][SIDE];

static struct vector plus(struct vector a, struct vector b) { return (struct vector){a.x + b.x, a.y + b.y, a.z + b.z}; }

static struct vector minus(struct vector a, struct vector b) { return (struct vector){a.x - b.x, a.y - b.y, a.z - b.z}; }

static struct vector scaled(struct vector a, double by) { return (struct vector){a.x * by, a.y * by, a.z * by}; }

static double length(struct vector a) { return sqrt(a.x * a.x + a.y * a.y + a.z * a.z); }

static void place_cloth(void) {
    for (int row = 0; row < SIDE; row++) {
        for (int column = 0; column < SIDE; column++) {
            struct vector place = {(column - SIDE / 2) * REST, 0.4, (row - SIDE / 2) * REST};
            cloth[row][column] = (struct point){place, place};
        }
    }
}

__attribute__((noinline)) static void move(struct point *point) {
    struct vector moved = scaled(minus(point->now, point->before), 0.995);
    point->before = point->now;
    point->now = plus(point->now, moved);
    point->now.y += GRAVITY * STEP_S * STEP_S;
}

// Brings two points halfway to the distance that the spring between them wants.
__attribute__((noinline)) static void relax(struct point *a, struct point *b) {
    struct vector between = minus(b->now, a->now);
    double distance = length(between);
    struct vector half = scaled(between, 0.5 * (distance - REST) / distance);
    a->now = plus(a->now, half);
    b->now = minus(b->now, half);
}

// The ball is rough: what touches it stays.
__attribute__((noinline)) static int push_out_of_ball(struct point *point) {
    double distance = length(point->now);
    if (distance >= BALL_RADIUS) return 0;
    point->now = point->before = scaled(point->now, BALL_RADIUS / distance);
    return 1;
}

// Returns how many points touch the ball.
static int step(void) {
    int touching = 0;
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) move(&cloth[row][column]);
    for (int round = 0; round < RELAXATIONS; round++) {
        for (int row = 0; row < SIDE; row++) {
            for (int column = 0; column < SIDE; column++) {
                if (column > 0) relax(&cloth[row][column - 1], &cloth[row][column]);
                if (row > 0) relax(&cloth[row - 1][column], &cloth[row][column]);
            }
        }
    }
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) touching += push_out_of_ball(&cloth[row][column]);
    return touching;
}

static uint32_t checksum(void) {
    uint32_t hash = 2166136261u;
    for (int row = 0; row < SIDE; row++) {
        for (int column = 0; column < SIDE; column++) {
            uint64_t bits[3];
            memcpy(bits, &cloth[row][column].now, sizeof bits);
            for (int i = 0; i < 3; i++) hash = (hash ^ (uint32_t)(bits[i] ^ bits[i] >> 32)) * 16777619u;
        }
    }
    return hash;
}

int main(void) {
    place_cloth();
    for (int i = 1; i <= STEPS; i++) {
        int touching = step();
        if (i % 20 == 0) {
            struct vector corner = cloth[0][0].now, middle = cloth[SIDE / 2][SIDE / 2].now;
            printf("%.2f s: %3d points touch, middle at %.6f, corner at %.6f\n", i * STEP_S, touching, middle.y, corner.y);
        }
    }
    printf("checksum %08x\n", (unsigned)checksum());
    return 0;
}
