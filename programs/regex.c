// Compiles regular expressions to automata and counts the lines of a made-up text in which they match.
//
// An expression has letters, '.', '[a-z]', '(', ')', '|', '*', '+' and '?'. Thompson's construction makes a nondeterministic
// automaton of it. The deterministic one, whose states are sets of states of that, is made as the text asks for it.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NFA_STATES = 64,
    DFA_STATES = 256,
    BYTES = 128, // ASCII only
    TEXT_LINES = 4000,
    LINE_BYTES = 128,
};

// A state is left by any byte of `bytes` to `next`, or without one to `next` and `other`.
struct nfa_state {
    uint64_t bytes[BYTES / 64];
    int next, other; // or NONE
    int consumes;
};

enum { NONE = -1, UNKNOWN = -1 };

struct automaton {
    struct nfa_state states[NFA_STATES];
    int count, start, end;
    uint64_t sets[DFA_STATES]; // the states of the first that a state of the second stands for
    int dfa_count;
    int16_t moves[DFA_STATES][BYTES]; // or UNKNOWN
};

static struct automaton automaton;
static const char *rest; // of the expression that is compiled

// A part of the automaton: one way in, and one out, from a state that nothing leaves yet.
struct part {
    int in, out;
};

static void fail(const char *why) {
    printf("%s\n", why);
    exit(1);
}

static int add_state(int next, int other) {
    if (automaton.count == NFA_STATES) fail("the expression is too long");
    automaton.states[automaton.count] = (struct nfa_state){.next = next, .other = other};
    return automaton.count++;
}

static void link_to(int from, int to) { automaton.states[from].next = to; }

static struct part parse_alternatives(void);

static void allow(struct nfa_state *state, int first, int last) {
    for (int byte = first; byte <= last; byte++) state->bytes[byte / 64] |= 1ull << byte % 64;
}

static struct part parse_atom(void) {
    if (*rest == '(') {
        rest++;
        struct part part = parse_alternatives();
        if (*rest++ != ')') fail("a parenthesis is not closed");
        return part;
    }
    int out = add_state(NONE, NONE), in = add_state(out, NONE);
    struct nfa_state *state = &automaton.states[in];
    state->consumes = 1;
    if (*rest == '.') {
        allow(state, ' ', '~');
    } else if (*rest == '[') {
        for (rest++; *rest != ']'; rest += 3) {
            if (!rest[0] || rest[1] != '-' || !rest[2]) fail("a range is not one");
            allow(state, rest[0], rest[2]);
        }
    } else {
        allow(state, *rest, *rest);
    }
    rest++;
    return (struct part){in, out};
}

static struct part parse_repeated(void) {
    struct part part = parse_atom();
    for (; *rest == '*' || *rest == '+' || *rest == '?'; rest++) {
        int out = add_state(NONE, NONE), choice = add_state(part.in, out);
        link_to(part.out, *rest == '?' ? out : choice);
        part = (struct part){*rest == '+' ? part.in : choice, out};
    }
    return part;
}

static struct part parse_sequence(void) {
    struct part part = parse_repeated();
    while (*rest && *rest != '|' && *rest != ')') {
        struct part after = parse_repeated();
        link_to(part.out, after.in);
        part.out = after.out;
    }
    return part;
}

static struct part parse_alternatives(void) {
    struct part part = parse_sequence();
    while (*rest == '|') {
        rest++;
        struct part other = parse_sequence();
        int out = add_state(NONE, NONE);
        link_to(part.out, out);
        link_to(other.out, out);
        part = (struct part){add_state(part.in, other.in), out};
    }
    return part;
}

// `set` with `state` and all that is reached from it without a byte.
static uint64_t with_reached(uint64_t set, int state) {
    if (state == NONE || set >> state & 1) return set;
    set |= 1ull << state;
    const struct nfa_state *from = &automaton.states[state];
    return from->consumes ? set : with_reached(with_reached(set, from->next), from->other);
}

static int dfa_state(uint64_t set) {
    for (int i = 0; i < automaton.dfa_count; i++)
        if (automaton.sets[i] == set) return i;
    if (automaton.dfa_count == DFA_STATES) fail("the automaton is too large");
    automaton.sets[automaton.dfa_count] = set;
    memset(automaton.moves[automaton.dfa_count], 0xff, sizeof automaton.moves[0]); // UNKNOWN
    return automaton.dfa_count++;
}

static void compile(const char *expression) {
    memset(&automaton, 0, sizeof automaton);
    rest = expression;
    struct part part = parse_alternatives();
    if (*rest) fail("a parenthesis closes nothing");
    automaton.start = part.in;
    automaton.end = part.out;
    dfa_state(with_reached(0, automaton.start));
}

// A match can begin at every byte, so the start is part of every set.
__attribute__((noinline)) static int find_move(int from, int byte) {
    uint64_t set = with_reached(0, automaton.start);
    for (int state = 0; state < automaton.count; state++) {
        const struct nfa_state *left = &automaton.states[state];
        if (automaton.sets[from] >> state & 1 && left->consumes && left->bytes[byte / 64] >> byte % 64 & 1)
            set = with_reached(set, left->next);
    }
    return automaton.moves[from][byte] = dfa_state(set);
}

__attribute__((noinline)) static int matches(const char *line) {
    int state = 0;
    for (;; line++) {
        if (automaton.sets[state] >> automaton.end & 1) return 1;
        if (!*line) return 0;
        int move = automaton.moves[state][(int)*line];
        state = move != UNKNOWN ? move : find_move(state, *line);
    }
}

static uint32_t random_state = 7;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static char text[TEXT_LINES][LINE_BYTES];

static void make_text(void) {
    static const char *const words[] = {"boot",  "again", "42",   "x86-64", "kernel", "ring0",     "wasm",
                                        "aaaab", "abab",  "tick", "3.1415", "a@b.c",  "interrupt", "ffff0000"};
    for (int line = 0; line < TEXT_LINES; line++) {
        while (strlen(text[line]) < LINE_BYTES - 12) {
            strcat(text[line], words[random_below(sizeof words / sizeof *words)]);
            strcat(text[line], random_below(5) ? " " : "");
        }
    }
}

int main(void) {
    static const char *const expressions[] = {
        "kernel",         "(boot|wasm) (again|tick)", "[0-9]+.[0-9]+ [a-z]+ 42", "(ab)+a*b",
        "a+b (x86|ring)", "[a-f]+0+ [0-9]*x",         "tick(tick|boot)?kernel",  "never|nowhere",
    };
    make_text();
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        int found = 0;
        compile(expressions[i]);
        for (int line = 0; line < TEXT_LINES; line++) found += matches(text[line]);
        printf("%5d lines match %s (%d states, then %d)\n", found, expressions[i], automaton.count, automaton.dfa_count);
    }
    return 0;
}
