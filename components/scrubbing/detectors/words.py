# ruff: noqa: E501 - Chinese characters count as two columns; the lists read better in full lines
"""Word lists of the name rules: Chinese surnames, words around them, English given names and stop words."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The 180 most frequent surnames of the 2020 census, without those that are mostly function words (和, 向, 有, 都);
# each with its traditional form where it differs.
SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田"
    "任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季"
    "俞章鲁葛伍韦申尤毕聂焦柳邢路岳齐梅莫庄辛管祝左涂谷祁耿牟卜路詹关苗凌费纪靳盛童欧甄项曲游裴席卫屈鲍覃霍翁隋植"
    "甘景薄单包司柏宁柯阮桂闵柴华车冉房边净阎喻冷尚祖褚娄窦戚岑郎苑鄢闫肖佟蒲邝"
    "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鐘鍾範譚鄒陸顧龍萬錢湯喬賀賴龔龐蘭顏嚴溫蘆魯韋畢聂齊莊塗關紀項陽衛單寧華車邊婁竇鄺"
)
COMPOUND_SURNAMES = tuple(
    sorted(_words("欧阳 司马 上官 诸葛 夏侯 皇甫 尉迟 公孙 慕容 令狐 司徒 宇文 端木 歐陽 司馬 諸葛 公孫 尉遲"))
)

# Characters that begin a surname in a list but far more often end the word before it: 感谢王老师, 对于李经理.
NOT_A_SURNAME_AFTER = _words(
    """
    感谢 谢谢 多谢 致谢 对于 由于 关于 至于 属于 处于 位于 任何 如何 为何 提高 很高 最高 一方 对方 双方 地方 官方 平安 公安 治安 请安 平常
    非常 经常 日常 通常 正常 空白 明白 坦白 完成 变成 组成 造成 赞成 五万 十万 百万 千万 现金 资金 基金 奖金 押金 黄金 作文 中文 英文 原文
    論文 论文 訂單 订单 简单 名单 账单 清单 菜单 保单 感謝 謝謝 對於 由於 關於 單單 中华 清华 有关 机关 相关 海关 坐车 汽车 停车 面包 书包
    钱包 红包 承包 勉强 加强 坚强 问卷 大段 阶段 手段 不单 欠钱 付钱 还钱 多钱 花钱 左边 身边 旁边 国家 大江 长江 珠江 香江 松江 春夏 石油
    上海 语文 主管 携程 世纪 一手 高手 古文 散文 作文
    """
)

# Words that begin with a surname character; what follows a field name must not be one of them.
NOT_NAMES = _words(
    """
    高手 方面 方法 方式 方案 方便 高度 高级 高兴  任何 任务 安全 安排 安装 金额 金融 常用 常见 常常 万元 成功 成本 成员 成为 文件 文化 文字
    包括 包装 包含 温度 温馨 牛奶 马上 于是 白天 白色 黄色 黄金 关于 关系 关注 关心 程序 程度 程式 钱包 余额 余款 项目 单位 单号 单据 查询
    查看 查收 解决 解释 管理 管家 管道 路线 路由 左右 左侧 盛大 费用 纪录 强烈 强调 车辆 车主 车牌 边缘 宁愿 康复 游客 游戏 位置 位于 石油
    田地 万一 许可 许多 曾经 何时 何处 石头 洪水 毛病 章程 章节 申请 申报 申诉 雷达 唐朝 高速 时间 电话 手机 姓名 号码 身份 先生 女士 小姐
    经理 医生 老师 客服 严重 严格 顾客 易于 易用 余下 江南 江苏 江西 华为 华东 华南 马路 马桶 齐全 季度 季节 谷歌 景点 景区 景色 路上 路口
    路边 成绩 成分 成都 龙头 关键 关闭 关怀 温柔 温暖 阳台 阳光 解答 解除 解约 强制 强迫 祝您 祝福 祝贺 谢谢 钟表 钟头 毕业 毕竟  安心
    宁静 常规 常住 金属 金牌 白酒 水平 汤圆 包裹 包邮 金卡 白金 黄牛 项链 查明 查实 单独 单身 单方 司机  文员 施工 施行 严禁 凌晨 冷静
    冷藏 冷冻 冷却 屈服 尚未 童装 童年 房间 房屋 房产 房东 房租 房子 房号 强度 辛苦 莫名 章鱼 贺卡 鲁菜 游泳 施肥 单价 单次 单元 卜算 史上
    史料 成交 成立 成人 成长 成熟 胡同 胡说 胡乱 高于 高铁 高清 高温 高考 高中 高价 高尔夫   林业 林区 何必 何况 何不 白领 万分
    万能 方向 方針 關於 關係 關注 費用 馬上 單位 單號 時間 電話 手機 經理 醫生 顧客 嚴重
    """
)

# Second and third characters of a given name; these never are one.
NOT_GIVEN = frozenset(
    "的了在是我你您他她它们們这那這和与與及或等被把将從从对對于於到给給向就都也还還有没沒不很太吗呢吧啊呀个個为為所以但而且之其此"
    "说說请請问問让讓去来來做要会會能可得过過着著已曾再又才刚剛后後前里裡上下中内外时時间間天月日号號电電话話机機先总總经經理医醫老师師"
)

TITLES_ZH = (
    "先生|女士|小姐|太太|夫人|同学|同學|老师|老師|教授|医生|醫生|大夫|护士|護士|经理|經理|总监|總監|主任|主管|律师|律師|师傅|師傅|"
    "警官|法官|局长|局長|院长|院長|校长|校長|处长|處長|科长|科長|部长|部長|书记|書記|董事长|董事|老板|老闆|工程师|工程師|会计|會計|"
    "博士|阿姨|叔叔|奶奶|爷爷|爺爺|大哥|大姐|大爷|大妈|女儿|同志|店长|店長|客服|导师|教练|顾问|代表|总裁|总经理|助理|秘书|队长|组长"
)
FIELDS_ZH = (
    "姓名|联系人|聯繫人|聯絡人|收件人|寄件人|寄送人|发件人|收货人|收貨人|客户|客戶|患者|病人|车主|車主|持卡人|登记人|登記人|户主|用户|"
    "用戶|旅客|乘客|申请人|申請人|负责人|負責人|经办人|经手人|业主|業主|法人|法定代表人|家属|家長|家长|学生|學生|投诉人|投訴人|签名|签字|"
    "署名|落款|办理人|委托人|受益人|投保人|被保险人|借款人|承租人|租客|房东|监护人|员工|員工|会员|會員|顾客|顧客|主治医生|主治医师|"
    "原告|被告|证人|當事人|当事人|我叫|我是|我姓|名叫|叫做|本人|我的名字是|名字是|名字叫|致|尊敬的|亲爱的|親愛的|邻居|鄰居|朋友|同事|室友|同学|同學|表哥|表弟|表姐|表妹|堂哥|堂弟|哥哥|弟弟|姐姐|妹妹|老板|领导|前任|徒弟"
)

# English given names that are no ordinary words (Will, May, Grace, Mark are left to the rules with a title).
GIVEN_NAMES_EN = _words(
    """
    aaron abigail adam adrian agnes aisha alan albert alejandro alexander alexandra alfred alice alicia allison
    alyssa amanda amber amelia amy ana andrea andrew angela anita ann anna anne annie anthony antonio arthur ashley
    audrey barbara beatrice benjamin bernard bethany betty beverly bradley brandon brenda brian bridget bruce bryan
    caleb cameron carl carla carlos carmen carol caroline catherine cecilia charles cheryl chloe christian christina
    christine christopher cindy claire clara clarence claudia colin connor craig crystal curtis cynthia daniel
    danielle darren david deborah debra dennis derek diana diane diego dominic donald donna doris dorothy douglas
    dylan edgar edith edward edwin eileen elaine eleanor elena elizabeth ella ellen emily emma eric erica erik erin
    ethan eugene evelyn fatima felix fernando fiona frances francis francisco fred frederick gabriel gabriela gareth
    gary george gerald gloria gordon greg gregory hannah harold harry harriet heather hector heidi helen henry
    herbert howard hugh ian imran ingrid irene isaac isabel isabella ivan jack jackson jacob jacqueline james jamie
    jane janet janice jason javier jean jeffrey jennifer jeremy jerome jessica jill joan joanna joe joel john johnny
    jonathan jorge jose joseph joshua joyce juan juanita judith judy julia julian julie justin karen karl katherine
    kathleen kathryn katie keith kelly kenneth kevin kim kimberly kristen kyle larry laura lauren lawrence leah leo
    leon leonard leslie lewis liam lillian linda lisa logan lorraine louis louise lucas lucia lucy luis luke lynn
    madison malcolm marcus margaret maria marie marilyn mario marion marjorie marlene martha martin mary mateo
    matthew maureen maya megan melanie melissa michael michelle miguel mildred mohammed molly monica muhammad nancy
    naomi natalie nathan neil nicholas nicole nigel noah nora norma oliver olivia omar oscar pablo pamela patricia
    patrick paul paula pauline pedro peggy peter philip phillip phyllis priya rachel ralph ramon raymond rebecca
    renee ricardo richard robert roberto rodney roger ronald rosa rosemary roy russell ruth ryan samantha samuel
    sandra sara sarah scott sean sebastian sergio shannon sharon shaun sheila shirley simon sofia sophia sophie
    stanley stella stephanie stephen steven stuart susan suzanne sylvia tamara tara teresa theodore theresa thomas
    tiffany timothy tina todd tracy travis trevor tyler valerie vanessa veronica vicki victor vincent vivian walter
    wanda wayne wendy wesley william wilma yolanda yusuf zachary zoe
    """
)

# Words that stand with a capital after a trigger and are no name.
NOT_NAMES_EN = _words(
    """
    a about account again he him his her hers they them all also always american am an and any april are as at august australian back be because
    been board british but by call canadian card care chinese christmas city clear company congress could customer
    customers day december department do doctor dutch each eastern editor else email english europe european
    everyone february finally folks for french friday friend friends from german going guest guys hello help here hi
    how i if in is it its japanese january july june just korean let listed lord madam manager march may maybe me
    member miss monday more mr mrs ms my name new no north northern not november now october of office ok okay on
    one or order our people please president re really regards russian saturday seller september she sir since sorry
    so some south southern spanish still street such sunday support sure team thank thanks that the their there
    these they this those thursday to today tomorrow tuesday university unfortunately up us user very was we
    wednesday welcome well west western what when where which while white who why will with would year years yes
    yesterday yet you your
    """
)

# A capitalised word that makes the name before it a street, a place or a company.
PLACE_WORDS_EN = _words(
    """
    street st road rd avenue ave lane way drive terrace place court square park hill hills bridge river lake bay beach
    county city town village island islands university college school hospital church airport station hotel museum
    library stadium cliffs flat flats gardens green gateway heights house hall tower building center centre
    investments inc ltd llc corp corporation company group partners bank foundation institute association award prize
    act cup league day war boulevard blvd highway coves pass mountains valley
    """
)
