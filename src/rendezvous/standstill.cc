#include <muster/rendezvous/rendezvous.h>
