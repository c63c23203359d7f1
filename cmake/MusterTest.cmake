# How tests are made. Every way ends in CTest tests with labels (unit, kvm, model, tsan, long ...),
# where status 77 means "skipped", the reason being what the test printed.
#
# muster_add_test(NAME SOURCES ... LIBS ... [LABELS ...] [TIMEOUT seconds])
#
# A Catch2 executable; each TEST_CASE becomes a CTest test of its own, "NAME: test case". Catch2's
# own catch_discover_tests cannot pass on more than one label.
#
# muster_add_command_test(NAME [HERE_ONLY|LONG_TWIN] COMMAND ... [TWIN ...] [LABELS ...] [TIMEOUT s])
#
# A command line that is one test. HERE_ONLY: without a twin (see label kvm), for want of time.
# LONG_TWIN: the twin's label is long as well. TWIN: what follows the program in the twin's command,
# where it is less than here.
#
# muster_add_intel_test(NAME COMMAND ... FILES ...)
#
# A command line that runs on kvm_intel alone, as "intel: NAME" and "intel2: NAME", where there are no files but FILES,
# the test executables, and the libraries that these need.
#
# The timeout ends a hang; it is no expectation of speed.
#
# Label tsan: built and run under ThreadSanitizer too (target tsan_tests). Label asan: built and run
# under AddressSanitizer too (target asan_tests), in the tree of the fuzzers.
# Label kvm: needs /dev/kvm. Gets twins that run the same command on emulated machines with Debian's
# kernel (tests/nested), where one boot serves all: "nested: ..." on kvm_amd, and for a Catch2
# executable "intel: ..." on kvm_intel. The latter takes long, so its label is long as well unless the
# test itself is labelled intel; that has then one more, "intel2: ...", label long, where the machine
# has two processors.
set(muster_discover_script ${CMAKE_CURRENT_LIST_DIR}/MusterDiscoverTests.cmake)
set(muster_nested ${CMAKE_CURRENT_SOURCE_DIR}/tests/nested/nested.py)
set(muster_nested_session --session ${CMAKE_BINARY_DIR}/nested)
set(muster_intel_session --session ${CMAKE_BINARY_DIR}/intel
  --intel --with-list ${CMAKE_BINARY_DIR}/intel-content)
set(muster_intel2_session --session ${CMAKE_BINARY_DIR}/intel2
  --intel --cpus 2 --with-list ${CMAKE_BINARY_DIR}/intel-content)

if(MUSTER_TESTS)
  add_custom_target(tsan_tests)
  add_custom_target(asan_tests)
endif()

# Sets the properties, as CMake code, of a test in HERE and of its twins in NESTED, INTEL and INTEL2,
# which are empty where it gets none.
function(muster_test_properties here nested intel intel2 labels timeout)
  set(common "SKIP_RETURN_CODE 77")
  if("kvm" IN_LIST labels OR "tsan" IN_LIST labels)
    string(APPEND common " PROCESSORS 2")  # side by side they would starve one another
  endif()
  set(own_labels ${labels})
  list(REMOVE_ITEM own_labels intel)
  set(${here} "LABELS \"${own_labels}\" TIMEOUT ${timeout} ${common}" PARENT_SCOPE)
  set(${nested} "" PARENT_SCOPE)
  set(${intel} "" PARENT_SCOPE)
  set(${intel2} "" PARENT_SCOPE)
  if("kvm" IN_LIST labels AND NOT MUSTER_SANITIZER)
    set(long ${labels})
    list(FILTER long INCLUDE REGEX "^long$")
    set(twin_labels nested ${long})
    math(EXPR twin_timeout "2 * ${timeout}")
    set(${nested} "LABELS \"${twin_labels}\" TIMEOUT ${twin_timeout} ${common} \
FIXTURES_REQUIRED nested_machine RESOURCE_LOCK nested_machine" PARENT_SCOPE)
    if(NOT "intel" IN_LIST labels)
      set(long long)
    endif()
    set(twin_labels intel ${long})
    math(EXPR twin_timeout "5 * ${timeout}")
    set(${intel} "LABELS \"${twin_labels}\" TIMEOUT ${twin_timeout} ${common} \
FIXTURES_REQUIRED intel_machine RESOURCE_LOCK intel_machine PROCESSORS 1 WORKING_DIRECTORY \"${CMAKE_BINARY_DIR}\""
      PARENT_SCOPE)
    if("intel" IN_LIST labels)
      math(EXPR twin_timeout "10 * ${timeout}")
      set(${intel2} "LABELS \"intel;long\" TIMEOUT ${twin_timeout} ${common} \
FIXTURES_REQUIRED intel2_machine RESOURCE_LOCK intel2_machine PROCESSORS 1 WORKING_DIRECTORY \"${CMAKE_BINARY_DIR}\""
        PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(muster_add_test name)
  cmake_parse_arguments(arg "NO_INTEL" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} muster_test_main muster_compile)
  list(LENGTH arg_SOURCES sources)
  if(sources GREATER 4)  # it costs as much as three of them save
    target_precompile_headers(${name} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:<catch2/catch.hpp$<ANGLE-R>>")
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if("tsan" IN_LIST arg_LABELS)
    add_dependencies(tsan_tests ${name})
  endif()
  if("asan" IN_LIST arg_LABELS)
    add_dependencies(asan_tests ${name})
  endif()

  muster_test_properties(here nested intel intel2 "${arg_LABELS}" ${arg_TIMEOUT})
  if(arg_NO_INTEL)
    set(intel "")
    set(intel2 "")
  endif()
  if(nested)
    # Much of a test's time there is a process that starts; the models run beside it.
    string(APPEND nested " PROCESSORS 1")
  endif()
  if(intel)
    set_property(GLOBAL APPEND PROPERTY MUSTER_INTEL_CONTENT $<TARGET_FILE:${name}>)
  endif()
  set(tests_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.tests.cmake)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    BYPRODUCTS ${tests_file}
    COMMAND ${CMAKE_COMMAND} -D "NAME=${name}" -D "EXECUTABLE=$<TARGET_FILE:${name}>"
            -D "HERE=${here}" -D "NESTED=${nested}" -D "INTEL=${intel}" -D "INTEL2=${intel2}"
            -D "RUN_NESTED=${muster_nested};exec;${muster_nested_session};--"
            -D "RUN_INTEL=${muster_nested};exec;${muster_intel_session};--"
            -D "RUN_INTEL2=${muster_nested};exec;${muster_intel2_session};--"
            -D "OUTPUT=${tests_file}" -P ${muster_discover_script})
  # A target that was not built is one failing test, not silence.
  set(include_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.include.cmake)
  file(WRITE ${include_file}
    "if(EXISTS \"${tests_file}\")\n"
    "  include(\"${tests_file}\")\n"
    "else()\n"
    "  add_test(\"${name}: not built\" \"${name}\")\n"
    "endif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include_file})
endfunction()

function(muster_add_command_test name)
  cmake_parse_arguments(arg "HERE_ONLY;LONG_TWIN" "TIMEOUT" "COMMAND;TWIN;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  muster_test_properties(here nested intel intel2 "${arg_LABELS}" ${arg_TIMEOUT})
  add_test(NAME "${name}" COMMAND ${arg_COMMAND})
  cmake_language(EVAL CODE "set_tests_properties([==[${name}]==] PROPERTIES ${here})")
  if(arg_LONG_TWIN)
    muster_test_properties(here nested intel intel2 "${arg_LABELS};long" ${arg_TIMEOUT})
  endif()
  if(nested AND NOT arg_HERE_ONLY)
    list(POP_FRONT arg_COMMAND program)
    if(arg_TWIN)
      set(arg_COMMAND ${arg_TWIN})
    endif()
    if(TARGET ${program})
      set(program $<TARGET_FILE:${program}>)
    endif()
    add_test(NAME "nested: ${name}"
      COMMAND ${muster_nested} exec ${muster_nested_session} -- ${program} ${arg_COMMAND})
    cmake_language(EVAL CODE "set_tests_properties([==[nested: ${name}]==] PROPERTIES ${nested})")
  endif()
endfunction()

function(muster_add_intel_test name)
  cmake_parse_arguments(arg "" "" "COMMAND;FILES" ${ARGN})
  muster_test_properties(here nested intel intel2 "kvm;intel" 120)
  if(intel)
    set_property(GLOBAL APPEND PROPERTY MUSTER_INTEL_CONTENT ${arg_FILES})
    foreach(machine IN ITEMS intel intel2)
      add_test(NAME "${machine}: ${name}"
        COMMAND ${muster_nested} exec ${muster_${machine}_session} -- ${arg_COMMAND})
      cmake_language(EVAL CODE
        "set_tests_properties([==[${machine}: ${name}]==] PROPERTIES ${${machine}})")
    endforeach()
  endif()
endfunction()
