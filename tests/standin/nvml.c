/* Stands in for libnvidia-ml.so.1, the library of NVIDIA's driver.
 *
 * What it answers is looked up for every question in the file named by $STANDIN_NVML, so that a test can change
 * it at any time. A line is "KEY VALUE". For a question about a GPU the keys are, the first found wins:
 * "0.1.power" (instance 1 of GPU 0), "0.power", "power"; for a question of the whole library "init".
 * "power.error 3" makes a question fail with a code, "power.hang 1" makes it hang until the line is gone.
 * "0.processes 100:5000,200:-" lists processes with their memory ("-": not known); "draws" those that draw.
 * The name of each function is added to the file $STANDIN_NVML_CALLS, where that is set.
 * Built with -DOLD it has what a driver of the year 2019 had.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long u64;
typedef unsigned int u32;

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, MOST_GPUS = 32, MOST_PARTS = 8 };

/* Part 0 is the GPU itself, part N its instance N - 1. */
typedef struct { int gpu, part; } device;
static device devices[MOST_GPUS][MOST_PARTS];

static int find(const char *text, const char *key, char *value, size_t size) {
    size_t length = strlen(key);
    int found = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, key, length) || line[length] != ' ') continue;
        snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
        found = 1; /* and a later line counts more */
    }
    return found;
}

/* Return what stands in the file: it is read again when it has changed, so that we cost no more than a driver. */
static const char *read_answers(void) {
    static char text[1 << 14];
    static struct stat before;
    struct stat now;
    const char *path = getenv("STANDIN_NVML");
    if (!path || stat(path, &now)) return "";
    if (now.st_ino == before.st_ino && now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == before.st_mtim.tv_nsec) return text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) close(fd);
    text[got > 0 ? got : 0] = 0;
    before = now;
    return text;
}

static int answer(const device *from, const char *name, const char *suffix, char *value, size_t size) {
    const char *text = read_answers();
    char key[256];
    if (from && from->part) {
        snprintf(key, sizeof key, "%d.%d.%s%s", from->gpu, from->part - 1, name, suffix);
        if (find(text, key, value, size)) return 1;
    }
    if (from) {
        snprintf(key, sizeof key, "%d.%s%s", from->gpu, name, suffix);
        if (find(text, key, value, size)) return 1;
    }
    snprintf(key, sizeof key, "%s%s", name, suffix);
    return find(text, key, value, size);
}

static u64 number(const device *from, const char *name, const char *suffix, u64 otherwise) {
    char value[4096];
    return answer(from, name, suffix, value, sizeof value) ? strtoull(value, NULL, 0) : otherwise;
}

/* Note the call; hang, or fail, as is asked. */
static int begin(const char *function, const device *from, const char *name) {
    const char *path = getenv("STANDIN_NVML_CALLS");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        dprintf(fd, "%s %d.%d %s\n", function, from ? from->gpu : -1, from ? from->part - 1 : -1, name);
        close(fd);
    }
    while (number(from, name, ".hang", 0)) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    int error = (int)number(from, name, ".error", 0);
    return error || !from ? error : (int)number(from, "error", "", 0);
}

#define BEGIN(from, name) do { int error = begin(__func__, from, name); if (error) return error; } while (0)

/* Functions that give one number, as it stands in the file. */
#define GIVES(function, name, type) \
    int function(device *from, type *value) { \
        BEGIN(from, name); \
        *value = (type)number(from, name, "", 0); \
        return OK; \
    }
#define GIVES_OF(function, type, ...) \
    int function(device *from, u32 which, type *value) { \
        static const char *const names[] = {__VA_ARGS__}; \
        if (which >= sizeof names / sizeof *names) return INVALID; \
        BEGIN(from, names[which]); \
        *value = (type)number(from, names[which], "", 0); \
        return OK; \
    }

static int give_text(const char *value, char *text, u32 size) {
    if (strlen(value) >= size) return INSUFFICIENT_SIZE;
    strcpy(text, value);
    return OK;
}

int nvmlInitWithFlags(u32 flags) { (void)flags; BEGIN(NULL, "init"); return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the stand-in"; }

int nvmlSystemGetDriverVersion(char *text, u32 size) {
    BEGIN(NULL, "driver");
    return give_text("575.51.03", text, size);
}
int nvmlSystemGetCudaDriverVersion(int *version) { BEGIN(NULL, "cuda"); *version = 12090; return OK; }
int nvmlDeviceGetCount_v2(u32 *count) { BEGIN(NULL, "count"); *count = (u32)number(NULL, "count", "", 2); return OK; }

int nvmlDeviceGetHandleByIndex_v2(u32 index, device **found) {
    if (index >= MOST_GPUS) return INVALID;
    *found = &devices[index][0];
    **found = (device){(int)index, 0};
    BEGIN(*found, "handle");
    return OK;
}

int nvmlDeviceGetName(device *from, char *text, u32 size) {
    char value[128] = "Stand-in 9000";
    BEGIN(from, "name");
    answer(from, "name", "", value, sizeof value);
    return give_text(value, text, size);
}

int nvmlDeviceGetUUID(device *from, char *text, u32 size) {
    char value[128];
    BEGIN(from, "uuid");
    snprintf(value, sizeof value, "%s-%08x-0000-4000-8000-%012x", from->part ? "MIG" : "GPU",
             from->gpu * 0x11111111 + 0xa, from->part);
    return give_text(value, text, size);
}

int nvmlDeviceGetUtilizationRates(device *from, u32 *rates) {
    BEGIN(from, "utilisation");
    rates[0] = (u32)number(from, "utilisation", "", 0);
    rates[1] = (u32)number(from, "bandwidth", "", 0);
    return OK;
}

typedef struct { u64 total, free, used; } memory_v1;
typedef struct { u32 version; u64 total, reserved, free, used; } memory_v2;

int nvmlDeviceGetMemoryInfo(device *from, memory_v1 *memory) {
    BEGIN(from, "memory");
    u64 used = number(from, "memory", "", 0) + number(from, "reserved", "", 0), total = number(from, "total", "", 1ull << 34);
    *memory = (memory_v1){total, total - used, used};
    return OK;
}

GIVES(nvmlDeviceGetPowerUsage, "power", u32)
GIVES(nvmlDeviceGetEnforcedPowerLimit, "limit", u32)
GIVES(nvmlDeviceGetFanSpeed, "fan", u32)
GIVES(nvmlDeviceGetCurrentClocksThrottleReasons, "reasons", u64)
GIVES_OF(nvmlDeviceGetTemperature, u32, "temperature")
GIVES_OF(nvmlDeviceGetClockInfo, u32, "graphics_clock", "sm_clock", "memory_clock")
GIVES_OF(nvmlDeviceGetPcieThroughput, u32, "sent", "received")

int nvmlDeviceGetTotalEccErrors(device *from, u32 kind, u32 counter, u64 *count) {
    const char *name = kind ? "uncorrected" : "corrected";
    if (counter) return INVALID; /* those since the driver was loaded are what is asked for */
    BEGIN(from, name);
    *count = number(from, name, "", 0);
    return OK;
}

#ifndef OLD
GIVES(nvmlDeviceGetTotalEnergyConsumption, "energy", u64)
GIVES(nvmlDeviceGetCurrentClocksEventReasons, "reasons", u64)

int nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

int nvmlDeviceGetMemoryInfo_v2(device *from, memory_v2 *memory) {
    if (memory->version != (2u << 24 | sizeof *memory)) return INVALID;
    BEGIN(from, "memory");
    u64 used = number(from, "memory", "", 0), reserved = number(from, "reserved", "", 0);
    u64 total = number(from, "total", "", 1ull << 34);
    *memory = (memory_v2){memory->version, total, reserved, total - used - reserved, used};
    return OK;
}

typedef struct { u32 version, sensor; int celsius; } heat_v1;

int nvmlDeviceGetTemperatureV(device *from, heat_v1 *heat) {
    if (heat->version != (1u << 24 | sizeof *heat) || heat->sensor) return INVALID;
    BEGIN(from, "temperature");
    heat->celsius = (int)number(from, "temperature", "", 0);
    return OK;
}

typedef struct { u32 pid; u64 memory; u32 gpu_instance, compute_instance; } process_v3;

static int list(const device *from, const char *name, u32 *count, process_v3 *found) {
    char value[4096] = "", *rest = NULL;
    u32 number_of = 0, room = *count;
    answer(from, name, "", value, sizeof value);
    for (char *word = strtok_r(value, ",", &rest); word; word = strtok_r(NULL, ",", &rest), number_of++) {
        char *size = strchr(word, ':');
        if (number_of < room && found && size) {
            u64 memory = size[1] == '-' ? ~0ull : strtoull(size + 1, NULL, 10);
            found[number_of] = (process_v3){(u32)strtoul(word, NULL, 10), memory, ~0u, ~0u};
        }
    }
    *count = number_of;
    return number_of > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(device *from, u32 *count, process_v3 *found) {
    BEGIN(from, "processes");
    return list(from, "processes", count, found);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(device *from, u32 *count, process_v3 *found) {
    BEGIN(from, "draws");
    return list(from, "draws", count, found);
}

int nvmlDeviceGetMigMode(device *from, u32 *now, u32 *then) {
    BEGIN(from, "mig");
    *now = *then = number(from, "mig", "", 0) > 0;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(device *from, u32 *count) { BEGIN(from, "mig_most"); *count = MOST_PARTS - 1; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(device *from, u32 index, device **found) {
    if (index >= number(from, "mig", "", 0) || index + 1 >= MOST_PARTS) return NOT_FOUND;
    *found = &devices[from->gpu][index + 1];
    **found = (device){from->gpu, (int)index + 1};
    BEGIN(*found, "instance");
    return OK;
}
int nvmlDeviceGetGpuInstanceId(device *from, u32 *id) { *id = (u32)from->part + 6; return from->part ? OK : NOT_SUPPORTED; }
int nvmlDeviceGetComputeInstanceId(device *from, u32 *id) { *id = 0; return from->part ? OK : NOT_SUPPORTED; }
#endif
