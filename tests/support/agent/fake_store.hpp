// A Store that enforces its contract (names, begin before append, one file at a time), fails or
// loses power at the n-th operation that changes something, and forgets what was not committed.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "device-agent/core/ports.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

class FakeStore final : public agent::Store {
 public:
  std::map<std::string, Buffer>& files() { return files_; }
  bool has(std::string_view prefix) const {
    const auto at = files_.lower_bound(std::string(prefix));
    return at != files_.end() && at->first.starts_with(prefix);
  }
  // The first file whose name starts so.
  Buffer& file(std::string_view prefix) { return files_.lower_bound(std::string(prefix))->second; }

  // Operations that change something, since the last reset_count().
  void reset_count() { changes_ = 0; }
  std::size_t changes() const { return changes_; }
  // The n-th change from now fails, once.
  Errc read_error{};  // while set, nothing can be read
  void fail_at(std::size_t change) { fail_at_ = changes_ + change; }
  // From the n-th change on nothing works any more, until restore_power().
  void cut_power_at(std::size_t change) { cut_at_ = changes_ + change; }
  bool has_power() const { return changes_ <= cut_at_; }
  // What a reset leaves behind.
  void restore_power() {
    cut_at_ = kNever;
    pending_.reset();
  }
  // Called before each read with the file's name.
  std::function<void(const std::string& name)> before_read;

  Result<std::uint32_t> size(const char* name) override {
    MPYD_TRY_ASSIGN(const Buffer* file, find_file(name));
    return static_cast<std::uint32_t>(file->size());
  }

  Result<void> read(const char* name, std::uint32_t offset, MutableBytes out) override {
    if (before_read) before_read(name);
    MPYD_TRY_ASSIGN(const Buffer* file, find_file(name));
    if (offset > file->size() || out.size() > file->size() - offset) return fail(Errc::truncated);
    copy_bytes(Bytes(*file).subspan(offset, out.size()), out);
    return {};
  }

  Result<void> write(const char* name, Bytes bytes) override {
    check_name(name);
    MPYD_TRY(change());
    files_[name] = copy(bytes);
    return {};
  }

  Result<void> begin(const char* name) override {
    check_name(name);
    if (pending_) throw std::logic_error("Store::begin: another file was begun");
    MPYD_TRY(change());
    pending_ = Pending{name, {}};
    return {};
  }
  Result<void> append(Bytes bytes) override {
    if (!pending_) throw std::logic_error("Store::append without begin");
    MPYD_TRY(change());
    pending_->bytes.insert(pending_->bytes.end(), bytes.begin(), bytes.end());
    return {};
  }
  Result<void> commit() override {
    if (!pending_) throw std::logic_error("Store::commit without begin");
    MPYD_TRY(change());
    files_[pending_->name] = pending_->bytes;
    pending_.reset();
    return {};
  }
  void abort() override { pending_.reset(); }
  bool is_begun() const { return pending_.has_value(); }

  Result<void> remove(const char* name) override {
    check_name(name);
    MPYD_TRY(change());
    files_.erase(name);
    return {};
  }

  Result<void> find(const char* prefix, unsigned n, InlineText<80>& name) override {
    if (!has_power()) return fail(Errc::io);
    for (auto at = files_.lower_bound(prefix); at != files_.end(); ++at) {
      if (!at->first.starts_with(prefix)) break;
      if (n-- != 0) continue;
      MPYD_TRY_ASSIGN(name, InlineText<80>::make(at->first));
      return {};
    }
    return fail(Errc::not_found);
  }

 private:
  static constexpr std::size_t kNever = static_cast<std::size_t>(-1);
  struct Pending {
    std::string name;
    Buffer bytes;
  };

  static void check_name(std::string_view name) {
    bool is_good = !name.empty() && name.size() <= 80;
    for (char c : name)
      is_good =
          is_good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-');
    if (!is_good) throw std::logic_error("Store: bad file name " + std::string(name));
  }

  Result<const Buffer*> find_file(const char* name) const {
    if (!has_power()) return fail(Errc::io);
    if (read_error != Errc{}) return fail(read_error);
    const auto found = files_.find(name);
    if (found == files_.end()) return fail(Errc::not_found);
    return &found->second;
  }

  Result<void> change() {
    const std::size_t number = changes_++;
    if (number >= cut_at_ || number == fail_at_) return fail(Errc::io);
    return {};
  }

  std::map<std::string, Buffer> files_;
  std::optional<Pending> pending_;
  std::size_t changes_ = 0;
  std::size_t fail_at_ = kNever;
  std::size_t cut_at_ = kNever;
};

}  // namespace mpyd::test
