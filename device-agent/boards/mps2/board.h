// What the parts of this board's support know of one another.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_CLOCK_HZ (25000000u)  // SYSCLK of AN385

#define UART1_RX_IRQ   (2u)

int board_uart1_read(void);  // -1: nothing came
void board_time_init(void);
void board_reset(void) __attribute__((noreturn));
void board_write(const char* text);  // to the console, unbuffered

// The host's side of an emulated board: what real boards have as a TRNG, a battery-backed clock and
// a flash chip.
bool host_random(void* out, size_t n);
uint32_t host_unix_s(void);
// Errors: a negative number.
int host_open(const char* path, bool writes);
int host_read(int handle, uint32_t offset, void* out, size_t n);
int host_write(int handle, uint32_t offset, const void* bytes, size_t n);
int32_t host_size(int handle);
void host_close(int handle);
void host_exit(int status) __attribute__((noreturn));

void ethernet_init(void);
void ethernet_poll(void);
// True once there is an address; text has room for 16 bytes.
bool ethernet_address(char* text);
