/* Stands for the driver's library of NVIDIA GPUs: what it answers stands in the file $STANDIN_NVML, which is
 * read again for every question. A line is "KEY VALUE"; KEY is the name of a question, behind the number of a
 * GPU ("1.power 250000") or alone for all. "power.error 3" makes it fail, "power.hang 1" makes it never answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15, MOST = 64, INSTANCE = 100 };

typedef unsigned long long u64;
typedef struct { int number; } gpu_t; /* instance N of GPU G is INSTANCE * (G + 1) + N */

static gpu_t gpus[MOST * INSTANCE];

#ifdef STEADY /* always the same, so that who measures the asker does not measure this */
static int look(const char *key, char *value, size_t size) {
    if (strcmp(key, "count") && strcmp(key, "power")) return 0;
    snprintf(value, size, "%d", key[0] == 'c' ? 8 : 100000);
    return 1;
}
#else
static int look(const char *key, char *value, size_t size) {
    char line[4096];
    int found = 0;
    const char *path = getenv("STANDIN_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) {
        char *space = strchr(line, ' ');
        if (!space) continue;
        *space = 0;
        if (strcmp(line, key)) continue;
        space[1 + strcspn(space + 1, "\n")] = 0;
        snprintf(value, size, "%s", space + 1);
        found = 1;
    }
    fclose(file);
    return found;
}
#endif

static void label(const gpu_t *gpu, char *text, size_t size) {
    if (gpu->number < INSTANCE) snprintf(text, size, "%d", gpu->number);
    else snprintf(text, size, "%d:%d", gpu->number / INSTANCE - 1, gpu->number % INSTANCE);
}

static int text_of(const gpu_t *gpu, const char *name, char *value, size_t size) {
    char key[256], who[32];
    if (gpu) {
        label(gpu, who, sizeof who);
        snprintf(key, sizeof key, "%s.%s", who, name);
        if (look(key, value, size)) return 1;
    }
    return look(name, value, size);
}

static u64 value_of(const gpu_t *gpu, const char *name, u64 otherwise) {
    char value[4096];
    return text_of(gpu, name, value, sizeof value) ? strtoull(value, NULL, 10) : otherwise;
}

/* Hang, or fail, if that is asked for. */
static int begin(const gpu_t *gpu, const char *name) {
    char key[256];
    snprintf(key, sizeof key, "%s.hang", name);
    while (value_of(gpu, key, 0)) pause();
    snprintf(key, sizeof key, "%s.error", name);
    int error = (int)value_of(gpu, key, 0);
    return error ? error : gpu && value_of(gpu, "lost", 0) ? GPU_IS_LOST : SUCCESS;
}

#define ASK(gpu, name) do { int error = begin(gpu, name); if (error) return error; } while (0)
#define NUMBER(function, name, type) \
    int function(gpu_t *gpu, type *value) { ASK(gpu, name); *value = (type)value_of(gpu, name, 0); return SUCCESS; }
#define NUMBER_OF(function, type, ...) \
    int function(gpu_t *gpu, unsigned kind, type *value) { \
        static const char *names[] = {__VA_ARGS__}; \
        ASK(gpu, names[kind]); *value = (type)value_of(gpu, names[kind], 0); return SUCCESS; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; ASK(NULL, "init"); return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the stand-in"; }

int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "999.1"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12040; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)value_of(NULL, "count", 2); return SUCCESS; }

static int handle_of(int number, gpu_t **gpu) {
    gpus[number].number = number;
    *gpu = &gpus[number];
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **gpu) { return handle_of((int)index, gpu); }
int nvmlDeviceGetMaxMigDeviceCount(gpu_t *gpu, unsigned *count) { (void)gpu; *count = 7; return SUCCESS; }

int nvmlDeviceGetMigMode(gpu_t *gpu, unsigned *now, unsigned *then) {
    ASK(gpu, "mig");
    *now = *then = value_of(gpu, "mig", 0) > 0;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(gpu_t *gpu, unsigned index, gpu_t **instance) {
    if (index >= value_of(gpu, "mig", 0)) return NOT_FOUND;
    return handle_of(INSTANCE * (gpu->number + 1) + (int)index, instance);
}

int nvmlDeviceGetName(gpu_t *gpu, char *text, unsigned size) {
    ASK(gpu, "name");
    snprintf(text, size, "Stand-in %d", gpu->number);
    return SUCCESS;
}

int nvmlDeviceGetUUID(gpu_t *gpu, char *text, unsigned size) {
    int is_instance = gpu->number >= INSTANCE;
    snprintf(text, size, "%s-%08d-0000-0000-0000-000000000000", is_instance ? "MIG" : "GPU", gpu->number);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(gpu_t *gpu, unsigned *rates) {
    ASK(gpu, "utilisation");
    rates[0] = (unsigned)value_of(gpu, "utilisation", 0);
    rates[1] = (unsigned)value_of(gpu, "bandwidth", 0);
    return SUCCESS;
}

struct memory { u64 total, free, used; };

int nvmlDeviceGetMemoryInfo(gpu_t *gpu, struct memory *info) {
    ASK(gpu, "memory");
    info->total = value_of(gpu, "total", 80000);
    info->used = value_of(gpu, "memory", 0) + value_of(gpu, "reserved", 0);
    info->free = info->total - info->used;
    return SUCCESS;
}

#ifndef OLD
struct memory_v2 { unsigned version; u64 total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(gpu_t *gpu, struct memory_v2 *info) {
    ASK(gpu, "memory");
    info->total = value_of(gpu, "total", 80000);
    info->reserved = value_of(gpu, "reserved", 0);
    info->used = value_of(gpu, "memory", 0);
    info->free = info->total - info->used - info->reserved;
    return SUCCESS;
}
#endif

NUMBER(nvmlDeviceGetPowerUsage, "power", unsigned)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "limit", unsigned)
NUMBER(nvmlDeviceGetFanSpeed, "fan", unsigned)
NUMBER_OF(nvmlDeviceGetTemperature, unsigned, "temperature")
NUMBER_OF(nvmlDeviceGetClockInfo, unsigned, "graphics", "sm", "clock")
NUMBER_OF(nvmlDeviceGetPcieThroughput, unsigned, "sent", "received")

#ifndef OLD
NUMBER(nvmlDeviceGetTotalEnergyConsumption, "energy", u64)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle", u64)
#endif

int nvmlDeviceGetTotalEccErrors(gpu_t *gpu, unsigned kind, unsigned counter, u64 *count) {
    (void)counter;
    ASK(gpu, "ecc");
    *count = value_of(gpu, kind ? "uncorrected" : "corrected", 0);
    return SUCCESS;
}

typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } process_t;

/* "processes 100:5000,200:7000" */
int nvmlDeviceGetComputeRunningProcesses_v3(gpu_t *gpu, unsigned *count, process_t *found) {
    char value[4096] = "";
    unsigned number = 0;
    ASK(gpu, "processes");
    text_of(gpu, "processes", value, sizeof value);
    for (char *word = strtok(value, ","); word; word = strtok(NULL, ",")) {
        if (found && number < *count) {
            char *colon = strchr(word, ':');
            found[number].pid = (unsigned)strtoul(word, NULL, 10);
            found[number].used = colon ? strtoull(colon + 1, NULL, 10) : 0;
        }
        number++;
    }
    if (number > (found ? *count : 0)) { *count = number; return INSUFFICIENT_SIZE; }
    *count = number;
    return SUCCESS;
}
