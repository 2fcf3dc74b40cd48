// SMSC LAN9118 (data sheet DS00002266) under lwIP, polled.
#include "netif/ethernet.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"

#include <string.h>

#include "board.h"
#include "py/mphal.h"

#define LAN(offset)    (*(volatile uint32_t*)(0x40200000 + (offset)))
#define RX_DATA        LAN(0x00)
#define TX_DATA        LAN(0x20)
#define RX_STATUS      LAN(0x40)
#define TX_STATUS      LAN(0x48)
#define TX_CFG         LAN(0x70)
#define HW_CFG         LAN(0x74)
#define RX_FIFO_INF    LAN(0x7c)
#define TX_FIFO_INF    LAN(0x80)
#define MAC_CSR_CMD    LAN(0xa4)
#define MAC_CSR_DATA   LAN(0xa8)

#define TX_ON          (1u << 1)
#define CSR_BUSY       (1u << 31)
#define MAC_CR         (1u)
#define MAC_ADDRH      (2u)
#define MAC_ADDRL      (3u)
#define MAC_TX_RX_ON   (3u << 2)
#define FRAME_MAX      (1518)
#define CRC_BYTES      (4)

#define FRAMES_AT_ONCE (16)

static struct netif ethernet;

static void mac_write(uint32_t reg, uint32_t value) {
  MAC_CSR_DATA = value;
  MAC_CSR_CMD = CSR_BUSY | reg;
  while (MAC_CSR_CMD & CSR_BUSY) {
  }
}

static err_t transmit(struct netif* netif, struct pbuf* packet) {
  (void)netif;
  static uint32_t frame[(FRAME_MAX + 3) / 4];
  uint32_t len = packet->tot_len;
  if (len > FRAME_MAX || (TX_FIFO_INF & 0xffff) < len + 8) {
    return ERR_MEM;
  }
  pbuf_copy_partial(packet, frame, len, 0);
  TX_DATA = 3u << 12 | len;  // command A: first and last piece
  TX_DATA = len;             // command B
  for (uint32_t i = 0; i < (len + 3) / 4; ++i) {
    TX_DATA = frame[i];
  }
  while (TX_FIFO_INF >> 16 & 0xff) {
    (void)TX_STATUS;
  }
  return ERR_OK;
}

static void receive(void) {
  uint32_t len = RX_STATUS >> 16 & 0x3fff;
  static uint32_t frame[(FRAME_MAX + 3) / 4];
  for (uint32_t i = 0; i < (len + 3) / 4; ++i) {
    uint32_t word = RX_DATA;
    if (i < sizeof(frame) / 4) {
      frame[i] = word;
    }
  }
  if (len <= CRC_BYTES || len > sizeof(frame)) {
    return;
  }
  struct pbuf* packet = pbuf_alloc(PBUF_RAW, len - CRC_BYTES, PBUF_POOL);
  if (packet == NULL) {
    return;  // TCP sends it again
  }
  pbuf_take(packet, frame, len - CRC_BYTES);
  if (ethernet.input(packet, &ethernet) != ERR_OK) {
    pbuf_free(packet);
  }
}

static err_t set_up(struct netif* netif) {
  netif->linkoutput = transmit;
  netif->output = etharp_output;
  netif->mtu = 1500;
  netif->flags =
      NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  netif->name[0] = 'e';
  netif->name[1] = '0';
  netif->hwaddr_len = ETH_HWADDR_LEN;
  static const uint8_t address[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
  memcpy(netif->hwaddr, address, sizeof(address));
  mac_write(MAC_ADDRL,
            (uint32_t)address[0] | address[1] << 8 | address[2] << 16 | (uint32_t)address[3] << 24);
  mac_write(MAC_ADDRH, address[4] | address[5] << 8);
  TX_CFG = TX_ON;
  mac_write(MAC_CR, MAC_TX_RX_ON);
  return ERR_OK;
}

void ethernet_init(void) {
  lwip_init();
  netif_add(&ethernet, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, NULL, set_up, ethernet_input);
  netif_set_default(&ethernet);
  netif_set_hostname(&ethernet, "motherboard");
  netif_set_up(&ethernet);
  dhcp_start(&ethernet);
}

void ethernet_poll(void) {
  // No more at once: a flood must not keep the agent from its watchdog.
  for (unsigned i = 0; i < FRAMES_AT_ONCE && RX_FIFO_INF >> 16 & 0xff; ++i) {
    receive();
  }
  sys_check_timeouts();
}

bool ethernet_address(char* text) {
  return dhcp_supplied_address(&ethernet) &&
         ip4addr_ntoa_r(netif_ip4_addr(&ethernet), text, 16) != NULL;
}

u32_t sys_now(void) { return mp_hal_ticks_ms(); }

u32_t lwip_random(void);
u32_t lwip_random(void) {
  u32_t value = 0;
  if (!host_random(&value, sizeof(value))) {
    board_write("no random bytes\n");
    board_reset();
  }
  return value;
}
