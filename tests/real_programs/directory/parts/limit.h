#define LIMIT 100
