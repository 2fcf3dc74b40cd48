# libsodium and nanopb for firmware, from their sources, as libraries.mk makes them: targets mpyd_sodium and mpyd_nanopb.
# Set MPYD_LIBSODIUM_DIR and MPYD_NANOPB_DIR; headers of libsodium are in MPYD_SODIUM_INCLUDE then. The processor comes
# from the toolchain's own flags.
set(MPYD_SODIUM_INCLUDE ${CMAKE_BINARY_DIR}/mpyd-sodium)
set(sodium ${MPYD_LIBSODIUM_DIR}/src/libsodium)
file(COPY ${sodium}/include/ DESTINATION ${MPYD_SODIUM_INCLUDE})
set(VERSION 1.0.18)
set(SODIUM_LIBRARY_VERSION_MAJOR 10)
set(SODIUM_LIBRARY_VERSION_MINOR 3)
configure_file(${sodium}/include/sodium/version.h.in ${MPYD_SODIUM_INCLUDE}/sodium/version.h @ONLY)

# Everything is compiled, and what is used is linked. The port supplies what is random.
file(GLOB_RECURSE mpyd_sodium_sources ${sodium}/*.c)
list(FILTER mpyd_sodium_sources EXCLUDE REGEX "/randombytes(_sysrandom|_internal_random)?\\.c$|/sandy2x/")
add_library(mpyd_sodium STATIC ${mpyd_sodium_sources})
target_include_directories(mpyd_sodium PRIVATE ${MPYD_SODIUM_INCLUDE}/sodium ${MPYD_SODIUM_INCLUDE})
target_compile_definitions(mpyd_sodium PRIVATE NDEBUG CONFIGURED=1 NATIVE_LITTLE_ENDIAN=1 SODIUM_STATIC=1)
target_compile_options(mpyd_sodium PRIVATE -Os -ffunction-sections -fdata-sections -std=gnu11)
# The ladder does without the multiplication by the base point and its tables; nothing here calls that.
set_source_files_properties(${sodium}/crypto_scalarmult/curve25519/ref10/x25519_ref10.c PROPERTIES
  COMPILE_DEFINITIONS ge25519_scalarmult_base=mpyd_no_base_mult)

add_library(mpyd_nanopb STATIC ${MPYD_NANOPB_DIR}/pb_common.c ${MPYD_NANOPB_DIR}/pb_encode.c ${MPYD_NANOPB_DIR}/pb_decode.c)
target_compile_definitions(mpyd_nanopb PUBLIC PB_NO_ERRMSG)
target_compile_options(mpyd_nanopb PRIVATE -Os -ffunction-sections -fdata-sections)
