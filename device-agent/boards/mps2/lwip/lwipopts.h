// lwIP for one network interface: IPv4, DHCP, DNS and TCP, polled, without an operating system.
#pragma once

#include <stdint.h>

uint32_t lwip_random(void);
typedef uint32_t sys_prot_t;

#define NO_SYS                   1
#define SYS_LIGHTWEIGHT_PROT     1  // modlwip.c has the functions
#define MEM_ALIGNMENT            4
#define LWIP_RAW                 1
#define LWIP_IGMP                1  // modlwip calls it
#define LWIP_NETCONN             0
#define LWIP_SOCKET              0
#define LWIP_STATS               0
#define LWIP_NETIF_HOSTNAME      1
#define LWIP_DHCP                1
#define LWIP_DHCP_DOES_ACD_CHECK 0  // five seconds before the first byte
#define LWIP_DNS                 1
#define LWIP_TCP_RTO_TIME        1000  // RFC 6298; lwIP's own 3 s are older
#define SO_REUSE                 1
#define TCP_LISTEN_BACKLOG       1

// 27 KB in all; one connection of the agent at a time.
#define MEM_SIZE         (8000)
#define TCP_MSS          (800)
#define TCP_WND          (8 * TCP_MSS)
#define TCP_SND_BUF      (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG (32)
