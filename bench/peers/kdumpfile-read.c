/*
 * What the reading of a dump page by page costs with libkdumpfile: every page that the dump holds, in pfn order, one call a page, one thread.
 * Prints "PAGES MICROSECONDS-OF-CPU-PER-PAGE CHECKSUM".
 *
 *   gcc -O2 -o kdumpfile-read kdumpfile-read.c -lkdumpfile
 *   ./kdumpfile-read DUMP [ROUNDS]
 */
#include <fcntl.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(kdump_ctx_t *ctx, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, ctx ? kdump_get_err(ctx) : "failed");
	exit(1);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 1;
	kdump_ctx_t *ctx = kdump_new();
	kdump_num_t page_size, max_pfn;
	int fd, round;
	char *page;

	if (argc < 2 || (fd = open(argv[1], O_RDONLY)) < 0 || !ctx)
		fail(NULL, "open");
	if (kdump_open_fd(ctx, fd) != KDUMP_OK)
		fail(ctx, "kdump_open_fd");
	if (kdump_get_number_attr(ctx, KDUMP_ATTR_PAGE_SIZE, &page_size) != KDUMP_OK)
		fail(ctx, KDUMP_ATTR_PAGE_SIZE);
	if (kdump_get_number_attr(ctx, "max_pfn", &max_pfn) != KDUMP_OK)
		fail(ctx, "max_pfn");
	page = malloc(page_size);
	for (round = 0; round < rounds; round++) {
		uint64_t pages = 0, sum = 0, pfn;
		double start = cpu_us(), end;

		for (pfn = 0; pfn < max_pfn; pfn++) {
			size_t length = page_size;

			if (kdump_read(ctx, KDUMP_MACHPHYSADDR, pfn * page_size, page, &length) != KDUMP_OK) {
				kdump_clear_err(ctx);
				continue;
			}
			sum += (unsigned char)page[pfn % page_size];
			pages++;
		}
		end = cpu_us();
		printf("%llu %.3f %llu\n", (unsigned long long)pages, (end - start) / pages, (unsigned long long)sum);
	}
	kdump_free(ctx);
	return 0;
}
