#pragma once

#include <stdint.h>

#include "py/mpconfig.h"
#include "py/obj.h"
#include "shared/runtime/interrupt_char.h"

// A line of an SBCon bus: set, cleared and read through one register pair.
typedef struct _machine_pin_obj_t {
  mp_obj_base_t base;
  volatile uint32_t* bus;
  uint32_t bit;
} machine_pin_obj_t;
extern const mp_obj_type_t machine_pin_type;

#define MP_HAL_PIN_FMT     "%u"
#define mp_hal_pin_obj_t   const machine_pin_obj_t*
#define mp_hal_pin_name(p) ((unsigned)(p)->bit)
mp_hal_pin_obj_t mp_hal_get_pin_obj(mp_obj_t object);

// SBCon's register 0 sets and reads, register 1 clears.
static inline void mp_hal_pin_od_low(mp_hal_pin_obj_t p) { p->bus[1] = 1u << p->bit; }
static inline void mp_hal_pin_od_high(mp_hal_pin_obj_t p) { p->bus[0] = 1u << p->bit; }
static inline int mp_hal_pin_read(mp_hal_pin_obj_t p) { return p->bus[0] >> p->bit & 1; }
static inline void mp_hal_pin_open_drain(mp_hal_pin_obj_t p) { mp_hal_pin_od_high(p); }

#define mp_hal_quiet_timing_enter()         (0)
#define mp_hal_quiet_timing_exit(irq_state) (void)(irq_state)
void mp_hal_delay_us_fast(uint32_t us);
static inline mp_uint_t mp_hal_ticks_cpu(void) { return 0; }
uint64_t mp_hal_time_ns(void);
void mp_hal_set_interrupt_char(int c);
