# The agent as a user C module of MicroPython's ports that are built with CMake (esp32, rp2):
#
#   make -C ports/rp2 USER_C_MODULES=<repo>/device-agent/ports/micropython/micropython.cmake CMAKE_ARGS="-DMPYD_...=..."
#
#   MPYD_LIBSODIUM_DIR  source of libsodium, and
#   MPYD_NANOPB_DIR     source of nanopb; both are compiled. Or instead:
#   MPYD_LIBRARIES      what to link: targets or archives of both, of nanopb compiled with PB_NO_ERRMSG
#   MPYD_INCLUDE_DIRS   where tl/expected.hpp lies, and the headers of MPYD_LIBRARIES
#
# What is compiled stands in micropython.mk and in the CMakeLists.txt of protocol/ and core/, once.
get_filename_component(MPYD_REPO ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)
set(MPYD_DIR ${CMAKE_CURRENT_LIST_DIR})
set(MPYD_GENERATED ${CMAKE_BINARY_DIR}/mpyd)

# mpyd_sources(OUT FOLDER TARGET): appends the sources that add_library(TARGET has in FOLDER's CMakeLists.txt.
function(mpyd_sources out folder target)
  set(list ${MPYD_REPO}/${folder}/CMakeLists.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
  file(READ ${list} text)
  string(REGEX MATCH "add_library\\(${target} [^)]*\\)" text "${text}")
  string(REGEX MATCHALL "[a-z0-9_/]+\\.cpp" names "${text}")
  if(NOT names)
    message(FATAL_ERROR "mpyd: no sources of ${target} in ${list}")
  endif()
  list(TRANSFORM names PREPEND ${MPYD_REPO}/${folder}/)
  set(${out} ${${out}} ${names} PARENT_SCOPE)
endfunction()

# mpyd_words(OUT VARIABLE PATTERN): the words that micropython.mk gives VARIABLE in one line of its own.
function(mpyd_words out variable pattern)
  set(list ${MPYD_DIR}/micropython.mk)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
  file(STRINGS ${list} lines REGEX "^${variable} (\\+|:)= [^c]*${pattern}")
  list(GET lines 0 line)
  string(REGEX REPLACE "^[^=]*= " "" line "${line}")
  string(REGEX REPLACE "\\$\\([a-z]+ \\$\\([A-Z_]+\\)/," "" line "${line}")
  string(REGEX MATCHALL "${pattern}" words "${line}")
  set(${out} ${words} PARENT_SCOPE)
endfunction()

mpyd_words(mpyd_c SRC_USERMOD_C "[a-z0-9_]+\\.c")
mpyd_words(mpyd_cxx SRC_USERMOD_LIB_CXX "[a-z0-9_]+\\.cpp")
list(TRANSFORM mpyd_c PREPEND ${MPYD_DIR}/)
list(TRANSFORM mpyd_cxx PREPEND ${MPYD_DIR}/)
mpyd_sources(mpyd_cxx protocol mpyd_protocol)
mpyd_sources(mpyd_cxx protocol mpyd_protocol_sodium)
mpyd_sources(mpyd_cxx device-agent/core mpyd_agent_core)

# While configuring: MicroPython preprocesses all sources for their names before anything is built.
mpyd_words(mpyd_messages MPYD_MESSAGES "[a-z]+")
execute_process(COMMAND ${MPYD_REPO}/schema/generate-nanopb ${MPYD_GENERATED} ${mpyd_messages} RESULT_VARIABLE mpyd_failed)
if(mpyd_failed)
  message(FATAL_ERROR "mpyd: schema/generate-nanopb failed")
endif()
foreach(message IN LISTS mpyd_messages)
  list(APPEND mpyd_c ${MPYD_GENERATED}/mpyd/v1/${message}.npb.c)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${MPYD_REPO}/schema/mpyd/v1/${message}.proto
    ${MPYD_REPO}/schema/mpyd/v1/${message}.options)
endforeach()

# For these files only: the firmware's other sources keep their own options.
set_source_files_properties(${mpyd_c} ${mpyd_cxx} PROPERTIES COMPILE_DEFINITIONS PB_NO_ERRMSG)
set_source_files_properties(${mpyd_cxx} PROPERTIES COMPILE_OPTIONS
  "-std=c++20;-fno-exceptions;-fno-rtti;-fno-threadsafe-statics;-fno-unwind-tables;-fno-asynchronous-unwind-tables;\
-Wno-missing-field-initializers;-Wno-maybe-uninitialized")

if(MPYD_LIBSODIUM_DIR AND MPYD_NANOPB_DIR)
  include(${MPYD_REPO}/device-agent/boards/libraries.cmake)
  set(MPYD_LIBRARIES mpyd_sodium mpyd_nanopb)
  list(APPEND MPYD_INCLUDE_DIRS ${MPYD_NANOPB_DIR} ${MPYD_SODIUM_INCLUDE})
elseif(NOT MPYD_LIBRARIES)
  message(FATAL_ERROR "mpyd: set MPYD_LIBSODIUM_DIR and MPYD_NANOPB_DIR, or MPYD_LIBRARIES")
endif()

add_library(usermod_mpyd INTERFACE)
target_sources(usermod_mpyd INTERFACE ${mpyd_c} ${mpyd_cxx})
target_include_directories(usermod_mpyd INTERFACE ${MPYD_REPO} ${MPYD_GENERATED} ${MPYD_INCLUDE_DIRS})
target_link_libraries(usermod_mpyd INTERFACE ${MPYD_LIBRARIES})
# See exec_memory.h.
target_link_options(usermod_mpyd INTERFACE -Wl,--wrap=gc_collect_root,--wrap=gc_collect_end)
target_link_libraries(usermod INTERFACE usermod_mpyd)
