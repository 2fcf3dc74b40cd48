// Time, console and waiting.
#include "py/mphal.h"

#include "board.h"
#include "py/runtime.h"
#include "py/stream.h"

#define SYST_CSR      (*(volatile uint32_t*)0xE000E010)
#define SYST_RVR      (*(volatile uint32_t*)0xE000E014)
#define SYST_CVR      (*(volatile uint32_t*)0xE000E018)
#define SCB_ICSR      (*(volatile uint32_t*)0xE000ED04)
#define SYSTICK_PENDS (1u << 26)
#define TICKS_PER_MS  (BOARD_CLOCK_HZ / 1000)
#define TICKS_PER_US  (BOARD_CLOCK_HZ / 1000000)

// CMSDK APB UART, Arm DDI 0479.
typedef struct _uart_t {
  volatile uint32_t data, state, ctrl, intstatus, bauddiv;
} uart_t;
#define UART0        ((uart_t*)0x40004000)
#define UART1        ((uart_t*)0x40005000)
#define TX_FULL      (1u << 0)
#define RX_FULL      (1u << 1)
#define TX_RX_ON     (3u)
#define RX_INTERRUPT (1u << 1)  // in intstatus
#define RX_NOTIFY    (1u << 3)  // in ctrl
#define NVIC_ISER0   (*(volatile uint32_t*)0xE000E100)
#define NVIC_ICER0   (*(volatile uint32_t*)0xE000E180)

static volatile uint32_t ms;

void SysTick_Handler(void);
void SysTick_Handler(void) { ms += 1; }

void board_time_init(void) {
  SYST_RVR = TICKS_PER_MS - 1;
  SYST_CVR = 0;
  SYST_CSR = 7;  // processor clock, interrupt, on
  UART0->bauddiv = UART1->bauddiv = 16;
  UART0->ctrl = TX_RX_ON;
  UART1->ctrl = TX_RX_ON | RX_NOTIFY;
  NVIC_ISER0 = 1u << UART1_RX_IRQ;
}

mp_uint_t mp_hal_ticks_ms(void) { return ms; }

mp_uint_t mp_hal_ticks_us(void) {
  for (;;) {
    uint32_t before = ms;
    uint32_t left = SYST_CVR;
    // The counter may have begun anew before its interrupt was taken.
    uint32_t is_new = SCB_ICSR & SYSTICK_PENDS && left > TICKS_PER_MS / 2;
    if (before == ms) {
      return (before + is_new) * 1000 + (TICKS_PER_MS - 1 - left) / TICKS_PER_US;
    }
  }
}

void mp_hal_delay_us_fast(uint32_t us) {
  uint32_t start = mp_hal_ticks_us();
  while (mp_hal_ticks_us() - start < us) {
  }
}

void mp_hal_delay_us(mp_uint_t us) { mp_hal_delay_us_fast(us); }

void mp_hal_delay_ms(mp_uint_t delay_ms) {
  uint32_t start = ms;
  do {
    mp_handle_pending(true);
    board_poll();
    if (ms - start < delay_ms) {
      __asm volatile("wfi");
    }
  } while (ms - start < delay_ms);
}

uint64_t mp_hal_time_ns(void) { return host_unix_s() * 1000000000ull; }

// Commands come faster than they are looked for, and the UART holds one byte. Where the ring is
// full, the rest waits on the other side.
static volatile uint8_t received[256];
static volatile uint8_t received_head, received_tail;

void Uart1Rx_Handler(void);
void Uart1Rx_Handler(void) {
  while (UART1->state & RX_FULL) {
    if ((uint8_t)(received_head + 1) == received_tail) {
      NVIC_ICER0 = 1u << UART1_RX_IRQ;
      return;
    }
    UART1->intstatus = RX_INTERRUPT;
    received[received_head++] = (uint8_t)UART1->data;
  }
}

int board_uart1_read(void) {
  if (received_head == received_tail) {
    return -1;
  }
  int byte = received[received_tail++];
  NVIC_ISER0 = 1u << UART1_RX_IRQ;
  return byte;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
  return flags & MP_STREAM_POLL_RD && UART0->state & RX_FULL ? MP_STREAM_POLL_RD : 0;
}

int mp_hal_stdin_rx_chr(void) {
  for (;;) {
    if (UART0->state & RX_FULL) {
      return UART0->data & 0xff;
    }
    mp_event_wait_ms(1);
  }
}

mp_uint_t mp_hal_stdout_tx_strn(const char* text, size_t len) {
  for (size_t i = 0; i < len; ++i) {
    while (UART0->state & TX_FULL) {
    }
    UART0->data = (uint8_t)text[i];
  }
  return len;
}

void board_write(const char* text) {
  size_t len = 0;
  while (text[len] != '\0') {
    len += 1;
  }
  mp_hal_stdout_tx_strn(text, len);
}
