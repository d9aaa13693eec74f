/*
 * What the translation of kernel addresses costs with libkdumpfile: its address translation is set up for a Linux dump, then every address of a file is translated,
 * one call each, one thread. ADDRESSES holds 64-bit words in the machine's byte order. The first round warms caches and is not told.
 * Prints, for each round, "ADDRESSES NANOSECONDS-OF-CPU-PER-ADDRESS CHECKSUM"; the checksum is the sum of the physical addresses modulo 2^52.
 *
 *   gcc -O2 -o addrxlat-vtop addrxlat-vtop.c -lkdumpfile -laddrxlat
 *   ./addrxlat-vtop DUMP ADDRESSES ROUNDS
 */
#include <fcntl.h>
#include <libkdumpfile/addrxlat.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static uint64_t *addresses(const char *path, size_t *count)
{
	FILE *file = fopen(path, "rb");
	uint64_t *words;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) <= 0)
		fail(path, "cannot be read");
	rewind(file);
	words = malloc(size);
	*count = size / sizeof(*words);
	if (!words || fread(words, sizeof(*words), *count, file) != *count)
		fail(path, "cannot be read");
	fclose(file);
	return words;
}

int main(int argc, char **argv)
{
	kdump_ctx_t *dump = kdump_new();
	addrxlat_ctx_t *ctx;
	addrxlat_sys_t *sys;
	uint64_t *words;
	size_t count, i;
	int fd, round;

	if (argc != 4 || !dump || (fd = open(argv[1], O_RDONLY)) < 0)
		fail("usage", "addrxlat-vtop DUMP ADDRESSES ROUNDS");
	if (kdump_open_fd(dump, fd) != KDUMP_OK || kdump_set_string_attr(dump, KDUMP_ATTR_OSTYPE, "linux") != KDUMP_OK ||
	    kdump_get_addrxlat(dump, &ctx, &sys) != KDUMP_OK)
		fail(argv[1], kdump_get_err(dump));
	words = addresses(argv[2], &count);
	for (round = 0; round <= atoi(argv[3]); round++) {
		double start = cpu_ns(), end;
		uint64_t sum = 0;

		for (i = 0; i < count; i++) {
			addrxlat_fulladdr_t address = { words[i], ADDRXLAT_KVADDR };

			if (addrxlat_fulladdr_conv(&address, ADDRXLAT_MACHPHYSADDR, ctx, sys) != ADDRXLAT_OK)
				fail("addrxlat_fulladdr_conv", addrxlat_ctx_get_err(ctx));
			sum += address.addr;
		}
		end = cpu_ns();
		if (round > 0)
			printf("%zu %.3f %llu\n", count, (end - start) / count, (unsigned long long)(sum & ((1ULL << 52) - 1)));
	}
	kdump_free(dump);
	return 0;
}
