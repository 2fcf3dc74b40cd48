// Passphrases of key files: from a file, or asked on the terminal; never from the command line.
#pragma once

#include <string>

#include "server/crypto/key_file.hpp"

namespace mpyd::server::cli {

// For opening keys: reads `file` if one is named, else asks on the terminal.
PassphraseProvider passphrase_from(const std::string& file);

// For a new key: empty when no file is named. Errors: not_found, io, invalid_argument (empty).
Result<LockedBytes> new_passphrase(const std::string& file);

}  // namespace mpyd::server::cli
