# What `cmake --install` puts where. Components of the installation: library, guest (what
# muster_add_guest needs), command (the program and its guests).
#
#   include/muster/...           public headers, those that the layers name
#   lib/                         one static library a layer, and the C library
#   lib/cmake/Muster/            the package: find_package(Muster COMPONENTS ...)
#   share/muster/guest, cmake    the guest runtime, and muster_add_guest()
#   bin/muster, share/muster/guests
#   share/doc/muster             pages for users (library), with the examples that they link to
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(MUSTER_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Muster)
set(MUSTER_DOC_DIR ${CMAKE_INSTALL_DATADIR}/doc/muster)

# By muster_add_layer.
function(muster_install_layer name)
  target_include_directories(muster_${name} PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(muster_${name} PROPERTIES EXPORT_NAME ${name})
  foreach(header ${ARGN})
    get_filename_component(directory ${header} DIRECTORY)
    install(FILES ${header} COMPONENT library
      DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster/${name}/${directory})
  endforeach()
  install(TARGETS muster_${name} EXPORT Muster_${name}
    ARCHIVE COMPONENT library DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT Muster_${name} COMPONENT library
    NAMESPACE Muster:: FILE Muster-${name}.cmake DESTINATION ${MUSTER_PACKAGE_DIR})
endfunction()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/MusterConfig.cmake.in ${CMAKE_BINARY_DIR}/package/MusterConfig.cmake
  INSTALL_DESTINATION ${MUSTER_PACKAGE_DIR} PATH_VARS CMAKE_INSTALL_DATADIR)
# Source-compatible within 0.N, as within N from 1 on.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/MusterConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_BINARY_DIR}/package/MusterConfig.cmake ${CMAKE_BINARY_DIR}/package/MusterConfigVersion.cmake
  COMPONENT library DESTINATION ${MUSTER_PACKAGE_DIR})

# As they lie here, so that MusterGuest.cmake finds the runtime in either place.
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/../guest/runtime COMPONENT guest
  DESTINATION ${CMAKE_INSTALL_DATADIR}/muster/guest)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/MusterGuest.cmake COMPONENT guest
  DESTINATION ${CMAKE_INSTALL_DATADIR}/muster/cmake)

# Pages lie beside their examples there, so that their links lead to what is installed. The one to the
# guest runtime takes component guest.
foreach(page embedding guests running-linux performance)
  set(source ${CMAKE_CURRENT_LIST_DIR}/../docs/${page}.md)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} text)
  string(REPLACE "](../guest/runtime)" "](../../muster/guest/runtime)" text "${text}")
  string(REPLACE "](../guest/" "](examples/guest/" text "${text}")
  string(REPLACE "](../tests/embed/project/" "](examples/" text "${text}")
  file(WRITE ${CMAKE_BINARY_DIR}/package/${page}.md "${text}")
  install(FILES ${CMAKE_BINARY_DIR}/package/${page}.md COMPONENT library
    DESTINATION ${MUSTER_DOC_DIR})
endforeach()
install(FILES ${CMAKE_CURRENT_LIST_DIR}/../LICENSE COMPONENT library
  DESTINATION ${MUSTER_DOC_DIR})
set(examples ${CMAKE_CURRENT_LIST_DIR}/../tests/embed/project)
install(FILES
  ${examples}/emulator.cc ${examples}/foreign.cc ${examples}/host_port.h ${examples}/image.h
  ${examples}/stop_threads.cc ${examples}/vmm.rs
  COMPONENT library DESTINATION ${MUSTER_DOC_DIR}/examples)
install(FILES ${examples}/c/vmm.c COMPONENT library DESTINATION ${MUSTER_DOC_DIR}/examples/c)
install(DIRECTORY
  ${CMAKE_CURRENT_LIST_DIR}/../guest/example ${CMAKE_CURRENT_LIST_DIR}/../guest/example_scenario
  COMPONENT library DESTINATION ${MUSTER_DOC_DIR}/examples/guest)
