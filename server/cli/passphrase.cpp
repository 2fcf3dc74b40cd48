#include "server/cli/passphrase.hpp"

#include <termios.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>

#include "protocol/crypto.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kPassphraseBytesMax = 1024;

Result<LockedBytes> locked_line(MutableBytes text, std::string_view what = "passphrase") {
  const std::size_t end = as_text(text).find_first_of("\r\n");
  const std::size_t size = end == std::string_view::npos ? text.size() : end;
  if (size == 0) {
    crypto::wipe(text);
    return fail(Errc::invalid_argument, "the " + std::string(what) + " is empty");
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

Result<LockedBytes> ask_passphrase() {
  if (::isatty(STDIN_FILENO) == 0) return no_passphrase();
  return ask_secret("passphrase: ", "passphrase");
}

// Reads until the line, its bound or the input ends; a pipe may hand it over in pieces.
std::size_t read_line(MutableBytes out) {
  std::size_t size = 0;
  while (size < out.size()) {
    const ssize_t got = ::read(STDIN_FILENO, out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    const Bytes piece = out.subspan(size, static_cast<std::size_t>(got));
    size += piece.size();
    if (as_text(piece).find('\n') != std::string_view::npos) break;
  }
  return size;
}

}  // namespace

Result<LockedBytes> ask_secret(const char* prompt, std::string_view what) {
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0;
  termios shown{};
  if (is_terminal) {
    ::tcgetattr(STDIN_FILENO, &shown);
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    std::fputs(prompt, stderr);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  LockedBytes line(kPassphraseBytesMax);
  const std::size_t size = read_line(line.span());
  if (is_terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    std::fputc('\n', stderr);
  }
  return locked_line(line.span().first(size), what);
}

PassphraseProvider passphrase_from(const std::string& file) {
  return [file] { return file.empty() ? ask_passphrase() : read_passphrase(file); };
}

Result<LockedBytes> new_passphrase(const std::string& file) {
  if (file.empty()) return LockedBytes();
  return read_passphrase(file);
}

}  // namespace mpyd::server::cli
