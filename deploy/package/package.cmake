# What `cmake --install` puts where, and the Debian package that CPack makes of it:
#   cmake --build build/dev --target mpyd && cpack --config build/dev/CPackConfig.cmake -B build/package
include(GNUInstallDirs)
set(deploy ${CMAKE_SOURCE_DIR}/deploy)
set(documents ${CMAKE_INSTALL_DATAROOTDIR}/doc/mpyd)

install(TARGETS mpyd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_SOURCE_DIR}/README.md DESTINATION ${documents})
install(FILES ${CMAKE_SOURCE_DIR}/server/README.md DESTINATION ${documents} RENAME server.md)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/schema DESTINATION ${documents}
  FILES_MATCHING PATTERN *.md PATTERN openapi.yaml PATTERN *.proto PATTERN schema.sql)
install(DIRECTORY ${MPYD_MANUAL_DIR}/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR})
install(FILES ${deploy}/proxy/nginx.conf DESTINATION ${documents}/examples)
install(CODE "set(MPYD_DEPLOY \"${deploy}\")
set(MPYD_SCRATCH \"${CMAKE_BINARY_DIR}/installed\")")
install(SCRIPT ${deploy}/package/install_settings.cmake)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mpyd)
set(CPACK_PACKAGE_VENDOR mpyd)
set(CPACK_PACKAGE_CONTACT "the owner of this server <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Drivers for expansion boards of MicroPython motherboards: server and command line")
set(CPACK_PACKAGE_DESCRIPTION
  "Keeps the drivers of plug-in boards, decides which one each motherboard gets,\nand serves them signed and encrypted.")
# A package's files go to /usr and /etc, so DESTDIR says where they are collected.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${deploy}/package/conffiles ${deploy}/package/postinst ${deploy}/package/prerm ${deploy}/package/postrm)
include(CPack)
