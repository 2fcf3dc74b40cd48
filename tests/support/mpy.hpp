// Sound .mpy files of any size, written by hand after MicroPython's py/persistentcode.c.
#pragma once

#include "protocol/abi.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

// A vuint of MicroPython: groups of 7 bits, the highest first.
inline void append_number(Buffer& out, std::uint32_t value) {
  Buffer groups;
  do {
    groups.insert(groups.begin(),
                  static_cast<std::byte>((value & 0x7f) | (groups.empty() ? 0 : 0x80)));
    value >>= 7;
  } while (value != 0);
  out.insert(out.end(), groups.begin(), groups.end());
}

inline void append(Buffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// The parts of a native module that a test may want to spoil.
struct NativeMpy {
  Buffer header = from_hex("4d06171f");                              // armv7m
  Buffer tables = from_hex("0200 08 642e707900 0c 61747461636800");  // d.py, attach
  Buffer text;                 // starts with a jump to its end
  std::uint32_t flags = 0x70;  // relocations, rodata and bss
  Buffer rodata = from_hex("0000000000000000");
  std::uint32_t bss_bytes = 8;
  Buffer relocations;

  explicit NativeMpy(std::size_t text_bytes = 32) : text(text_bytes) {
    copy_bytes(from_hex("00e000bf"), text);  // b.n to 4 bytes behind
  }

  Buffer bytes() const {
    Buffer out = concat(header, tables);
    append_number(out, static_cast<std::uint32_t>(text.size()) << 3 | 2);
    append(out, text);
    append_number(out, flags);
    if ((flags & 0x20) != 0) append_number(out, static_cast<std::uint32_t>(rodata.size()));
    if ((flags & 0x40) != 0) append_number(out, bss_bytes);
    if ((flags & 0x20) != 0) append(out, rodata);
    append(out, relocations);
    out.push_back(std::byte{0xff});
    return out;
  }
};

// Exactly `size` bytes of native code for armv7m, random but for what must hold. At least 64.
inline Buffer native_mpy(std::size_t size, std::uint64_t seed = 1) {
  NativeMpy mpy(8);
  std::size_t text = size - mpy.bytes().size() + 8;
  // The text's length may take a byte more than that of 8 bytes did.
  for (mpy = NativeMpy(text); mpy.bytes().size() > size; mpy = NativeMpy(text)) --text;
  const Buffer noise = Random(seed + size).bytes(text - 4);
  copy_bytes(noise, MutableBytes(mpy.text).subspan(4));
  // A byte that no text length could give is given by the data.
  if (mpy.bytes().size() < size) mpy.rodata.resize(mpy.rodata.size() + size - mpy.bytes().size());
  return mpy.bytes();
}

}  // namespace mpyd::test
