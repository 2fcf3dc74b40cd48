// Passphrases of key files: from a file, or asked on the terminal; never from the command line.
#pragma once

#include <string>
#include <string_view>

#include "server/crypto/key_file.hpp"

namespace mpyd::server::cli {

// For opening keys: reads `file` if one is named, else asks on the terminal.
PassphraseProvider passphrase_from(const std::string& file);

// For a new key: empty when no file is named. Errors: not_found, io, invalid_argument (empty).
Result<LockedBytes> new_passphrase(const std::string& file);

// One line of standard input, of at most 1 KiB: a secret. On a terminal `prompt` asks for it, and
// nothing is shown of what is typed. Errors: invalid_argument (the line is empty).
Result<LockedBytes> ask_secret(const char* prompt, std::string_view what);

}  // namespace mpyd::server::cli
