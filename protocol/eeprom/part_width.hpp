// How one memory is addressed, found by reading only: the first half of part_probe.hpp.
// schema/eeprom/probing.md has the rules and their reasons.
#pragma once

#include <array>

#include "protocol/eeprom/part.hpp"

namespace mpyd::eeprom {

class WidthProbe {
 public:
  // On the bus in one step, addresses included.
  static constexpr std::size_t kStepBytesMax = 300;

  void start(std::uint8_t address);
  // Of one that was found blank, where no other address answers that could be a block of the same
  // part: whether it is a large part with its address counter in what is blank of it.
  void start_blank(std::uint8_t address, std::byte value);
  // True: done. Errors: those of the channel; start() again.
  Result<bool> step(I2cChannel& channel);

  // 1, 2; 0: trouble() says why.
  std::uint8_t address_bytes() const { return address_bytes_; }
  // blank (all ff or all 00), bad_magic (registers, not a memory), undecided.
  Errc trouble() const { return trouble_; }
  // All that was read is this one value, so neither width nor size shows.
  bool is_uniform() const { return is_uniform_; }
  std::byte value() const { return first_[0]; }

 private:
  static constexpr std::size_t kWindow = 16;
  using Window = std::array<std::byte, kWindow>;
  enum class Stage : std::uint8_t {
    look,
    sweep,
    read_on,
    look_again,
    read_further,
    doubt,
    two_bytes,
    scan,
    done
  };
  enum class Likeness : std::uint8_t { none, faint, strong };

  // False, here and below: the channel failed, with error_. Cheaper in code than a Result for each.
  bool keep(const Result<void>& done);
  bool read_here(I2cChannel& channel, MutableBytes out);
  bool read_near(I2cChannel& channel, std::size_t offset, MutableBytes out);
  bool read_far(I2cChannel& channel, std::size_t offset, MutableBytes out);

  bool look(I2cChannel& channel);
  bool sweep(I2cChannel& channel);
  bool read_on(I2cChannel& channel);
  bool read_further(I2cChannel& channel);
  bool look_again(I2cChannel& channel);
  bool doubt(I2cChannel& channel);
  bool try_two_bytes(I2cChannel& channel);
  bool scan(I2cChannel& channel);
  void note(Bytes window);
  void judge_sweep();
  void find_best(Bytes content);
  void expect_two_bytes();
  void finish(std::uint8_t address_bytes, Errc trouble = {});
  void finish_uniform(std::byte value);

  std::uint8_t address_ = 0;
  Stage stage_ = Stage::done;
  std::uint8_t index_ = 0;
  std::uint8_t address_bytes_ = 0;
  std::uint8_t best_score_ = 0;
  std::uint8_t best_offset_ = 0;
  bool is_uniform_ = false;
  Likeness likeness_ = Likeness::none;  // to registers
  bool has_changed_ = false;            // a second reading at 0 was not the first
  bool has_moved_ = false;              // it was another one altogether
  std::byte last_{};                    // what a part of one address byte holds at offset 0
  std::uint16_t constant_ = 0;          // bytes of the window that never changed
  Errc trouble_{};
  Errc error_{};
  Window first_{};
  Window best_{};
};

}  // namespace mpyd::eeprom
