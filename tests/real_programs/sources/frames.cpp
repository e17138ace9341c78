// Exceptions through frames of C++, of its library, and of three libraries in C: wasi-libc, zlib and Lua.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#define ZLIB_CONST
#include <zlib.h>

extern "C" {
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
}

// Says when it goes.
struct Trace {
    std::string name;
    explicit Trace(std::string name) : name(std::move(name)) {}
    Trace(const Trace &other) : name(other.name + "'") {}
    ~Trace() {
        std::cout << "  ~" << name << (std::uncaught_exceptions() > 0 ? " in flight" : "") << "\n";
    }
};

struct Base : std::exception {
    const char *what() const noexcept override {
        return "base";
    }
};

struct Left : virtual Base {};
struct Right : virtual Base {};

struct Derived : Left, Right {
    int value;
    explicit Derived(int value) : value(value) {}
    const char *what() const noexcept override {
        return "derived";
    }
};

// What is in flight, by every way to catch that there is.
static std::string described() {
    try {
        throw;
    } catch (const Derived &error) {
        return "Derived " + std::to_string(error.value);
    } catch (const std::out_of_range &) {
        return "std::out_of_range";
    } catch (const std::bad_alloc &) {
        return "std::bad_alloc";
    } catch (const std::exception &error) {
        return std::string("std::exception ") + error.what();
    } catch (int number) {
        return "int " + std::to_string(number);
    } catch (const char *text) {
        return std::string("text ") + text;
    } catch (...) {
        return "something else";
    }
}

template <typename Body> static void attempt(const char *name, Body body) {
    std::cout << name << "\n";
    try {
        body();
        std::cout << "  nothing thrown\n";
    } catch (...) {
        std::cout << "  caught " << described() << "\n";
    }
}

static int deep(int depth) {
    std::unique_ptr<int> kept = std::make_unique<int>(depth);
    return depth == 0 ? throw Derived(99) : deep(depth - 1) + *kept;
}

static std::string failing_name() {
    throw std::logic_error("no name");
}

static void simple() {
    attempt("by base class", [] {
        try {
            throw Derived(1);
        } catch (const Base &error) {
            std::cout << "  as Base: " << error.what() << "\n";
            throw;
        }
    });
    attempt("an int, a text, neither", [] {
        for (int i = 0; i < 3; i++) {
            try {
                if (i == 0) throw 5;
                if (i == 1) throw "five";
                throw std::vector<int>{5};
            } catch (...) {
                std::cout << "  " << described() << "\n";
            }
        }
    });
    attempt("destructors on the way", [] {
        Trace outer("outer");
        std::vector<Trace> some;
        some.emplace_back("element");
        Trace inner("inner");
        throw std::runtime_error("on the way");
    });
    attempt("a constructor that fails half-way", [] {
        struct Parts {
            Trace a{"a"}, b{"b"};
            Trace c;
            Parts() : c(failing_name()) {}
        };
        Parts parts;
    });
    attempt("an array whose third element fails", [] {
        static int made;
        made = 0;
        struct Element {
            int number = ++made;
            Element() {
                if (number == 3) throw Derived(number);
            }
            ~Element() {
                std::cout << "  element " << number << " goes\n";
            }
        };
        std::unique_ptr<Element[]> elements(new Element[5]);
    });
    attempt("a destructor that throws", [] {
        struct Loud {
            ~Loud() noexcept(false) {
                throw std::runtime_error("from a destructor");
            }
        };
        Trace outer("outer");
        Loud loud;
    });
    attempt("caught inside of a destructor, in flight", [] {
        struct Careful {
            ~Careful() {
                try {
                    throw 1;
                } catch (int) {
                    std::cout << "  inner one caught, " << std::uncaught_exceptions() << " in flight\n";
                }
            }
        };
        Careful careful;
        throw 2;
    });
    attempt("nested and kept", [] {
        std::exception_ptr kept;
        try {
            try {
                throw Derived(3);
            } catch (...) {
                std::throw_with_nested(std::runtime_error("outer"));
            }
        } catch (const std::exception &error) {
            std::cout << "  " << error.what() << "\n";
            kept = std::current_exception();
        }
        try {
            std::rethrow_exception(kept);
        } catch (const std::exception &error) {
            std::rethrow_if_nested(error);
        }
    });
    attempt("from a thousand frames", [] { deep(1000); });
    attempt("a static that fails at first", [] {
        static int tries;
        for (int i = 0; i < 3; i++) {
            try {
                static int value = ++tries < 2 ? throw 7 : tries;
                std::cout << "  value " << value << "\n";
            } catch (int) {
                std::cout << "  not yet\n";
            }
        }
    });
    attempt("many", [] {
        long sum = 0;
        for (int i = 0; i < 20000; i++) {
            try {
                if (i % 2) throw i;
                throw Derived(i);
            } catch (int number) {
                sum += number;
            } catch (const Right &) {
                sum -= 1;
            }
        }
        std::cout << "  sum " << sum << "\n";
    });
}

static void library() {
    attempt("vector", [] { std::vector<int>(3).at(3); });
    attempt("string", [] { std::string("abc").substr(4); });
    attempt("map", [] { std::map<std::string, int>{{"a", 1}}.at("b"); });
    attempt("optional", [] { std::optional<int>().value(); });
    attempt("variant", [] { std::get<int>(std::variant<int, char>('c')); });
    attempt("function", [] { std::function<void()>()(); });
    attempt("stoi", [] { std::stoi("many"); });
    attempt("bad_cast", [] {
        Base base;
        dynamic_cast<Derived &>(base);
    });
    attempt("memory", [] { std::cout << ::operator new(PTRDIFF_MAX); });
    attempt("stream", [] {
        std::istringstream stream("12 x");
        stream.exceptions(std::ios::failbit);
        int number;
        stream >> number >> number;
    });
    attempt("regex", [] {
        for (const char *pattern : {"(a", "[z-a]", "a{2,1}", "*"}) {
            try {
                std::regex regex(pattern);
            } catch (const std::regex_error &error) {
                std::cout << "  " << pattern << ": " << error.what() << "\n";
            }
        }
    });
    attempt("words", [] {
        const std::string text = "the cat, the hat, the bat: 12 cats, 7 hats";
        const std::regex word("([a-z])(at)s?\\b|(\\d+)");
        std::map<std::string, int> counts;
        for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at) counts[at->str()]++;
        for (const auto &[word, count] : counts) std::cout << "  " << std::setw(5) << word << " " << count << "\n";
        std::cout << "  " << std::regex_replace(text, word, "<$&>") << "\n";
    });
    attempt("out of sort", [] {
        std::vector<int> numbers(100);
        std::iota(numbers.rbegin(), numbers.rend(), 0);
        int calls = 0;
        std::sort(numbers.begin(), numbers.end(), [&](int a, int b) {
            if (++calls == 50) throw Derived(calls);
            return a < b;
        });
    });
}

// --- three libraries in C, with a function of C++ at their end ---

static int compared_until_the_third(const void *a, const void *b) {
    static int calls;
    Trace trace("comparison " + std::to_string(++calls));
    if (calls % 3 == 0) throw Derived(calls);
    return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

static unsigned no_input(void *, const unsigned char **) {
    Trace trace("input");
    throw std::runtime_error("no input for zlib");
}

static int no_output(void *, unsigned char *, unsigned) {
    return 1;
}

static int call_in_lua(lua_State *state) {
    Trace trace("function for Lua");
    int numbers[] = {4, 3, 2, 1};
    if (lua_toboolean(state, 1)) qsort(numbers, 4, sizeof numbers[0], compared_until_the_third);
    lua_pushinteger(state, numbers[0]);
    return 1;
}

static void run_lua(const char *script) {
    std::unique_ptr<lua_State, void (*)(lua_State *)> state(luaL_newstate(), lua_close);
    luaL_openlibs(state.get());
    lua_register(state.get(), "call", call_in_lua);
    if (luaL_dostring(state.get(), script) == LUA_OK) {
        std::cout << "  Lua: " << lua_tostring(state.get(), -1) << "\n";
    } else {
        std::cout << "  Lua fails: " << lua_tostring(state.get(), -1) << "\n";
        throw std::runtime_error("from Lua");
    }
}

static void inflate_nothing() {
    std::vector<unsigned char> window(1 << 15);
    z_stream stream = {};
    inflateBackInit(&stream, 15, window.data());
    Trace trace("zlib's caller");
    inflateBack(&stream, no_input, nullptr, no_output, nullptr);
}

static void foreign() {
    attempt("out of qsort", [] {
        int numbers[] = {3, 1, 2};
        qsort(numbers, 3, sizeof numbers[0], compared_until_the_third);
        qsort(numbers, 3, sizeof numbers[0], compared_until_the_third);
    });
    attempt("out of zlib", inflate_nothing);
    attempt("Lua's own error, by longjmp", [] { run_lua("return {} .. call(false)"); });
    attempt("Lua's own error, caught in it", [] { run_lua("return tostring(pcall(error, call(false)))"); });
    attempt("out of qsort and Lua, through its pcall", [] {
        Trace outer("outer");
        run_lua("return select(2, pcall(string.gsub, 'a', 'a', function() return call(true) end))");
    });
    attempt("after all that", [] { run_lua("return #string.rep('x', 100)"); });
}

static void ends() {
    std::set_terminate([] {
        std::cout << "  terminate" << std::endl;
        std::_Exit(3);
    });
    std::cout << "out of a function that says noexcept\n";
    [](auto throws) noexcept { throws(); }([] { throw Derived(42); });
}

int main() {
    simple();
    library();
    foreign();
    ends();
}
