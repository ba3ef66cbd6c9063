/* EACH_ROW_COUNT(f): f(rows) as a switch over the constants 1 ... MR, so that each number of rows gets code of its own,
 * with its sums in registers. */
#if MR == 12
#define ROWS_OVER_SIX(f)   \
    case 12: f(12); break; \
    case 11: f(11); break; \
    case 10: f(10); break; \
    case 9: f(9); break;   \
    case 8: f(8); break;   \
    case 7: f(7); break;
#elif MR == 6
#define ROWS_OVER_SIX(f)
#else
#error "no row counts for this MR"
#endif

#define EACH_ROW_COUNT(f)     \
  switch (rows) {             \
    ROWS_OVER_SIX(f)          \
    case 6: f(6); break;      \
    case 5: f(5); break;      \
    case 4: f(4); break;      \
    case 3: f(3); break;      \
    case 2: f(2); break;      \
    default: f(1);            \
  }
