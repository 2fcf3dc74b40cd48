#include "tests/support/i2c/parts.hpp"

#include <algorithm>
#include <map>

namespace mpyd::test::i2c {
namespace {

// Page sizes and address pins of Microchip's and ST's parts.
const std::map<std::string, MemoryKind> kMemories = {
    {"24c01", {.size = 128, .address_bytes = 1, .page = 8}},
    {"24c01-nopins", {.size = 128, .address_bytes = 1, .page = 8, .ignored_bits = 7}},
    {"24c02", {.size = 256, .address_bytes = 1, .page = 8}},
    {"24c02-nopins", {.size = 256, .address_bytes = 1, .page = 8, .ignored_bits = 7}},
    {"24c04", {.size = 512, .address_bytes = 1, .page = 16, .block_bits = 1}},
    {"24c04-nopins",
     {.size = 512, .address_bytes = 1, .page = 16, .block_bits = 1, .ignored_bits = 6}},
    {"24c08", {.size = 1024, .address_bytes = 1, .page = 16, .block_bits = 3}},
    {"24c08-nopins",
     {.size = 1024, .address_bytes = 1, .page = 16, .block_bits = 3, .ignored_bits = 4}},
    {"24c16", {.size = 2048, .address_bytes = 1, .page = 16, .block_bits = 7}},
    {"24c32", {.size = 4096, .page = 32}},
    {"24c64", {.size = 8192, .page = 32}},
    {"24c128", {.size = 16384, .page = 64}},
    {"24c256", {.size = 32768, .page = 64}},
    {"24c512", {.size = 65536, .page = 128}},
    {"fm24c04", {.size = 512, .address_bytes = 1, .page = 512, .block_bits = 1, .is_fram = true}},
    {"fm24c16", {.size = 2048, .address_bytes = 1, .page = 2048, .block_bits = 7, .is_fram = true}},
    {"fm24c64", {.size = 8192, .page = 8192, .is_fram = true}},
    {"fm24v05", {.size = 65536, .page = 65536, .is_fram = true}},
};

}  // namespace

MemoryKind memory_kind(const std::string& name) {
  const auto found = kMemories.find(name);
  if (found == kMemories.end()) throw std::invalid_argument("no such part: " + name);
  return found->second;
}

Memory::Memory(const MemoryKind& kind, Bytes image)
    : kind_(kind), bytes_(std::make_shared<std::vector<std::uint8_t>>(kind.size, 0xff)) {
  if (image.size() > kind.size) throw std::invalid_argument("the image is larger than the part");
  std::copy_n(u8(image), image.size(), bytes_->begin());
}

Buffer Memory::content() const { return copy(as_bytes(bytes_->data(), bytes_->size())); }

std::uint8_t& Memory::place(std::uint32_t offset) {
  if (bytes_.use_count() > 1) bytes_ = std::make_shared<std::vector<std::uint8_t>>(*bytes_);
  return (*bytes_)[offset];
}

void Memory::cut_power(std::uint64_t now_ns) {
  if (now_ns >= busy_until_) return;
  Random anything(now_ns);
  for (std::uint32_t i = 0; i < kind_.page; ++i)
    place(last_page_ + i) = static_cast<std::uint8_t>(anything.next());
  busy_until_ = 0;
}

bool Memory::selected(std::uint8_t address, bool is_read) {
  const std::uint8_t compared =
      static_cast<std::uint8_t>(0x7f & ~kind_.block_bits & ~kind_.ignored_bits);
  if (now() < busy_until_ || ((address ^ kind_.address) & compared) != 0) return false;
  if (kind_.address_bytes == 1) {
    block_ = address & kind_.block_bits;
    pointer_ = (block_ << 8 | (pointer_ & 0xff)) % kind_.size;
  }
  if (!is_read) address_bytes_seen_ = 0;
  return true;
}

void Memory::take_partial(std::uint8_t byte) {
  const std::uint32_t low = pointer_ & 0xff;
  switch (kind_.partial) {
    case Partial::sets_high:
      pointer_ = static_cast<std::uint32_t>(byte) << 8 | low;
      break;
    case Partial::ignored:
      break;
    case Partial::clears_low:
      pointer_ = static_cast<std::uint32_t>(byte) << 8;
      break;
    case Partial::shifts:
    case Partial::reads_ff:
      pointer_ = low << 8 | byte;
      break;
  }
  pointer_ %= kind_.size;
  is_incomplete_ = kind_.partial == Partial::reads_ff;
}

bool Memory::written(std::uint8_t byte) {
  if (address_bytes_seen_ < kind_.address_bytes) {
    ++address_bytes_seen_;
    if (kind_.address_bytes == 1) {
      pointer_ = (block_ << 8 | byte) % kind_.size;
    } else if (address_bytes_seen_ == 1) {
      latch_.clear();
      high_ = byte;
      take_partial(byte);
    } else {
      pointer_ = (static_cast<std::uint32_t>(high_) << 8 | byte) % kind_.size;
      is_incomplete_ = false;
    }
    return true;
  }
  if (kind_.is_protected) return !kind_.refuses_data;
  if (kind_.is_fram) {
    commit(place(pointer_), byte);
    pointer_ = (pointer_ + 1) % kind_.size;
    return true;
  }
  latch_.emplace_back(pointer_, byte);
  pointer_ = pointer_ - pointer_ % kind_.page + (pointer_ + 1) % kind_.page;
  return true;
}

void Memory::stopped() {
  is_incomplete_ = false;
  if (latch_.empty()) return;
  for (const auto& [offset, byte] : latch_) commit(place(offset), byte);
  last_page_ = latch_.front().first - latch_.front().first % kind_.page;
  latch_.clear();
  busy_until_ = now() + kind_.cycle_ns;
  ++cycles_;
}

std::uint8_t Memory::read() {
  if (is_incomplete_) return 0xff;
  const std::uint8_t byte = (*bytes_)[pointer_];
  if (kind_.wraps_in_block)
    pointer_ = (pointer_ & ~0xffU) | ((pointer_ + 1) & 0xff);
  else
    pointer_ = (pointer_ + 1) % kind_.size;
  return byte;
}

Registers::Registers(const RegisterKind& kind, Bytes content)
    : kind_(kind), bytes_(kind.registers * kind.register_bytes, 0) {
  std::copy_n(u8(content), std::min(content.size(), bytes_.size()), bytes_.begin());
}

bool Registers::selected(std::uint8_t address, bool is_read) {
  if (address != kind_.address) return false;
  if (!is_read) is_pointed_ = false;
  if (!kind_.increments || !is_read) offset_ = 0;
  return true;
}

bool Registers::written(std::uint8_t byte) {
  if (!is_pointed_) {
    is_pointed_ = true;
    pointer_ = byte % kind_.registers;
    offset_ = 0;
    return true;
  }
  commit(bytes_[pointer_ * kind_.register_bytes + offset_], byte);
  if (++offset_ == kind_.register_bytes) {
    offset_ = 0;
    if (kind_.increments) pointer_ = (pointer_ + 1) % kind_.registers;
  }
  return true;
}

std::uint8_t Registers::read() {
  if (kind_.ends_in_ff && !kind_.increments && offset_ >= kind_.register_bytes) return 0xff;
  const std::size_t in = offset_ % kind_.register_bytes;
  std::uint8_t byte = bytes_[pointer_ * kind_.register_bytes + in];
  if (pointer_ >= kind_.live_first && pointer_ < kind_.live_first + kind_.live_count)
    byte = static_cast<std::uint8_t>(noise_.next());
  ++offset_;
  if (kind_.increments && offset_ >= kind_.register_bytes) {
    offset_ = 0;
    pointer_ = (pointer_ + 1) % kind_.registers;
  }
  return byte;
}

}  // namespace mpyd::test::i2c
