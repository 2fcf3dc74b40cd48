// From reset to main(), and what becomes of faults.
#include <stdint.h>

#include "board.h"

extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;

int main(void);
void Reset_Handler(void);
void SysTick_Handler(void);
void Uart1Rx_Handler(void);
void tell_fault(void);
void tell_watchdog(void);

#define SCB_AIRCR   (*(volatile uint32_t*)0xE000ED0C)
#define AIRCR_KEY   (0x05FA0000u)
#define SYSRESETREQ (1u << 2)

void board_reset(void) {
  SCB_AIRCR = AIRCR_KEY | SYSRESETREQ;
  for (;;) {
  }
}

__attribute__((naked)) void Reset_Handler(void) {
  __asm volatile("ldr r0, =_estack\n mov sp, r0\n b board_start");
}

__attribute__((used)) void board_start(void) {
  uint32_t* source = &_sidata;
  for (uint32_t* word = &_sdata; word < &_edata;) {
    *word++ = *source++;
  }
  for (uint32_t* word = &_sbss; word < &_ebss;) {
    *word++ = 0;
  }
  main();
  board_reset();
}

// A driver that faults takes the motherboard down; the next start knows whom to blame. What is left
// of the stack may be nothing, so it begins anew.
#define ON_A_NEW_STACK(function) __asm volatile("ldr r0, =_estack\n mov sp, r0\n b " #function)

__attribute__((used)) void tell_fault(void) {
  board_write("\n{\"event\": \"fault\", \"detail\": \"the motherboard starts again\"}\n");
  board_reset();
}

__attribute__((used)) void tell_watchdog(void) {
  board_write(
      "\n{\"event\": \"watchdog\", \"detail\": \"nobody fed it; the motherboard starts again\"}\n");
  board_reset();
}

__attribute__((naked)) static void Fault_Handler(void) { ON_A_NEW_STACK(tell_fault); }

__attribute__((naked)) static void Watchdog_Handler(void) { ON_A_NEW_STACK(tell_watchdog); }

__attribute__((section(".isr_vector"),
               used)) void (*const isr_vector[16 + UART1_RX_IRQ + 1])(void) = {
    (void (*)(void)) & _estack,
    Reset_Handler,
    Watchdog_Handler,  // NMI
    Fault_Handler,     // HardFault
    Fault_Handler,     // MemManage
    Fault_Handler,     // BusFault
    Fault_Handler,     // UsageFault
    0,
    0,
    0,
    0,
    Fault_Handler,  // SVCall
    Fault_Handler,  // DebugMon
    0,
    Fault_Handler,  // PendSV
    SysTick_Handler,
    [16 + UART1_RX_IRQ] = Uart1Rx_Handler,
};
