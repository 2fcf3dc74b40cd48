# Who may include whom: the layer table of the project, checked on the text of every #include.
#   cmake -DROOT=<repository> -P layers.cmake
# It sees direct includes only, which is enough: each header on the way is checked for itself.
cmake_minimum_required(VERSION 3.25)

# ---------------------------------------------------------------------------------------------------------------------
# Layers. An #include of ours is a path from the repository root. The first line whose folder holds a file is its layer;
# MAY lists the folders it may include from, NOT takes some of them back.
# ---------------------------------------------------------------------------------------------------------------------
function(check_layers)
  # Both sides share protocol/. Its crypto facade has one backend, which nobody includes: programs link it.
  layer(protocol/sodium       MAY protocol                                       NOT protocol/sodium)
  layer(protocol              MAY protocol                                       NOT protocol/sodium)

  layer(device-agent/core     MAY device-agent/core protocol                     NOT protocol/sodium)
  layer(device-agent/ports    MAY device-agent protocol                          NOT protocol/sodium PLATFORM)
  layer(device-agent/boards   MAY device-agent protocol                          NOT protocol/sodium PLATFORM)

  layer(server/util           MAY server/util protocol                           NOT protocol/sodium)
  layer(server/domain         MAY server/domain server/util protocol             NOT protocol/sodium)
  # A backend knows the interfaces and itself; only storage/open.* knows which backends there are.
  layer(server/storage/sqlite   MAY server/storage server/domain server/util protocol
                                NOT server/storage/postgres server/storage/files protocol/sodium)
  layer(server/storage/postgres MAY server/storage server/domain server/util protocol
                                NOT server/storage/sqlite server/storage/files protocol/sodium)
  layer(server/storage/files    MAY server/storage server/domain server/util protocol
                                NOT server/storage/sqlite server/storage/postgres protocol/sodium)
  layer(server/storage/open.cpp MAY server/storage server/domain server/util protocol)
  layer(server/storage        MAY server/storage server/domain server/util protocol
                              NOT server/storage/sqlite server/storage/postgres server/storage/files protocol/sodium)
  layer(server/crypto         MAY server/crypto server/domain server/util protocol
                              NOT protocol/sodium)
  layer(server/services       MAY server/services server/storage server/crypto server/domain server/util protocol
                              NOT server/storage/sqlite server/storage/postgres server/storage/files protocol/sodium)
  layer(server/http           MAY server/http server/services server/domain server/util protocol
                              NOT protocol/sodium)
  layer(server/app            MAY server protocol                                NOT protocol/sodium)
  layer(server/cli            MAY server protocol                                NOT protocol/sodium)
  layer(server/main.cpp       MAY server protocol                                NOT protocol/sodium)
endfunction()

# ---------------------------------------------------------------------------------------------------------------------
# Libraries. Headers that match the expression may be included below the folders IN, and nowhere else.
# ---------------------------------------------------------------------------------------------------------------------
function(check_libraries)
  library("^boost/(asio|beast)[/.]"                 IN server/http)
  library("^boost/"                                 IN server)
  library("^openssl/"                               IN server/http)
  library("^(sys/socket|netdb|netinet/.*|arpa/.*)"  IN server/http device-agent/ports device-agent/boards)
  library("^(sqlite3|SQLiteCpp/.*)"                 IN server/storage/sqlite)
  library("^(pqxx/|libpq)"                          IN server/storage/postgres)
  library("^sodium(\\.h$|/)"                        IN protocol/sodium server/util server/crypto device-agent/ports device-agent/boards)
  library("^google/protobuf/|\\.pb\\.h$"          IN server)
  library("\\.npb\\.h$|^pb(_encode|_decode|_common)?\\.h$" IN protocol device-agent/core)
  library("^(py|extmod|genhdr)/"                    IN device-agent/ports device-agent/boards)
  library("^CLI/"                                   IN server/cli)
  library("^toml\\+\\+/"                            IN server/app server/cli)
  # Services and domain return what happened; whoever called them logs it, once.
  library("^spdlog/"                                IN server/util server/storage server/http server/app server/cli)
  library("^fmt/"                                   IN server)
  # What needs a heap, threads or an operating system has no place in code that runs on a microcontroller.
  library("^(string|vector|deque|list|map|set|unordered_map|unordered_set|memory|functional|sstream|iostream|fstream|iomanip|filesystem|thread|mutex|condition_variable|future|regex|stdexcept|random|locale|chrono)$"
          IN server device-agent/ports device-agent/boards)
endfunction()

# ---------------------------------------------------------------------------------------------------------------------

# Paths, relative to ROOT, of the production code; tests may include what they like.
file(GLOB_RECURSE all_sources RELATIVE "${ROOT}"
     "${ROOT}/protocol/*.[ch]pp" "${ROOT}/protocol/*.[ch]"
     "${ROOT}/device-agent/*.[ch]pp" "${ROOT}/device-agent/*.[ch]"
     "${ROOT}/server/*.[ch]pp" "${ROOT}/server/*.[ch]")

# is_below(RESULT path folder...): whether path is one of the folders, or a file named by one, or lies below one.
function(is_below result path)
  set(${result} FALSE PARENT_SCOPE)
  foreach(folder IN LISTS ARGN)
    string(FIND "${path}/" "${folder}/" at)
    if(at EQUAL 0)
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# includes_of(RESULT file): what it includes, with the delimiter in front: `"protocol/abi.hpp` or `<vector`.
function(includes_of result file)
  get_property(known GLOBAL PROPERTY "includes of ${file}" SET)
  if(NOT known)
    file(STRINGS "${ROOT}/${file}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*[\"<]")
    list(TRANSFORM lines REPLACE "^[ \t]*#[ \t]*include[ \t]*([\"<][^\">]+).*" "\\1")
    set_property(GLOBAL PROPERTY "includes of ${file}" "${lines}")
  endif()
  get_property(lines GLOBAL PROPERTY "includes of ${file}")
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

# layer(folder MAY folder... NOT folder... [PLATFORM]): checks the files below `folder` that no earlier layer has taken.
# PLATFORM: its quoted includes may also be the platform's own headers.
function(layer folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "PLATFORM" "" "MAY;NOT")
  get_property(remaining GLOBAL PROPERTY unchecked_sources)
  set(left "")
  foreach(file IN LISTS remaining)
    is_below(mine "${file}" "${folder}")
    if(mine)
      check_file_of_layer("${file}" "${folder}")
    else()
      list(APPEND left "${file}")
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY unchecked_sources "${left}")
endfunction()

# check_file_of_layer(file folder): with the arguments of the layer() that calls it.
function(check_file_of_layer file folder)
  includes_of(includes "${file}")
  foreach(entry IN LISTS includes)
    string(SUBSTRING "${entry}" 0 1 delimiter)
    string(SUBSTRING "${entry}" 1 -1 include)
    is_below(ours "${include}" protocol device-agent server tests)
    is_below(allowed "${include}" ${arg_MAY})
    is_below(denied "${include}" ${arg_NOT})
    if(ours AND (denied OR NOT allowed))
      message(SEND_ERROR "${file}: ${folder} may not include ${include}")
    elseif(NOT ours AND delimiter STREQUAL "\"" AND NOT arg_PLATFORM AND NOT include MATCHES "^mpyd/v1/")
      message(SEND_ERROR "${file}: ${include} is neither a path from the repository root nor generated from schema/")
    endif()
  endforeach()
endfunction()

# library(EXPRESSION IN folder...): checks all files.
function(library expression)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "IN")
  foreach(file IN LISTS all_sources)
    is_below(allowed "${file}" ${arg_IN})
    if(NOT allowed)
      includes_of(includes "${file}")
      foreach(entry IN LISTS includes)
        string(SUBSTRING "${entry}" 1 -1 include)
        if(include MATCHES "${expression}")
          list(JOIN arg_IN ", " folders)
          message(SEND_ERROR "${file}: only ${folders} may include ${include}")
        endif()
      endforeach()
    endif()
  endforeach()
endfunction()

set_property(GLOBAL PROPERTY unchecked_sources "${all_sources}")
check_layers()
check_libraries()

get_property(unchecked GLOBAL PROPERTY unchecked_sources)
foreach(file IN LISTS unchecked)
  message(SEND_ERROR "${file}: lies in no layer; give its folder a line in tests/architecture/layers.cmake")
endforeach()
