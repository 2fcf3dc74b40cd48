#include "server/cli/passphrase.hpp"

#include <termios.h>
#include <unistd.h>
#include <cstdio>

#include "protocol/crypto.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kPassphraseBytesMax = 1024;

Result<LockedBytes> locked_line(MutableBytes text) {
  const std::size_t end = as_text(text).find_first_of("\r\n");
  const std::size_t size = end == std::string_view::npos ? text.size() : end;
  if (size == 0) {
    crypto::wipe(text);
    return fail(Errc::invalid_argument, "the passphrase is empty");
  }
  LockedBytes out(size);
  copy_bytes(text.first(size), out.span());
  crypto::wipe(text);
  return out;
}

Result<LockedBytes> read_passphrase(const std::string& file) {
  MPYD_TRY_ASSIGN(ByteVector text, read_file_or_pipe(file, kPassphraseBytesMax));
  return with_context(locked_line(text), file);
}

// No echo while it is typed.
Result<LockedBytes> ask_passphrase() {
  if (::isatty(STDIN_FILENO) == 0) return no_passphrase();
  termios shown{};
  ::tcgetattr(STDIN_FILENO, &shown);
  termios hidden = shown;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  std::fputs("passphrase: ", stderr);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  LockedBytes line(kPassphraseBytesMax);
  const ssize_t got = ::read(STDIN_FILENO, line.span().data(), line.size());
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
  std::fputc('\n', stderr);
  return locked_line(line.span().first(got > 0 ? static_cast<std::size_t>(got) : 0));
}

}  // namespace

PassphraseProvider passphrase_from(const std::string& file) {
  return [file] { return file.empty() ? ask_passphrase() : read_passphrase(file); };
}

Result<LockedBytes> new_passphrase(const std::string& file) {
  if (file.empty()) return LockedBytes();
  return read_passphrase(file);
}

}  // namespace mpyd::server::cli
